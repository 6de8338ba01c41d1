"""Did cleaning help? Known answers on the images that nobody touched."""

import re

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.measures.intervals import paired_difference
from bnn_core.review.before_after import compare_cleaned
from bnn_core.review.corrected_labels import apply_corrections

N = 40


@pytest.fixture
def pair(make_study, fields):
    """pair(right_before, right_after, exclude, relabel) -> two studies with those answers."""

    def make(right_before, right_after, exclude=(), relabel=None, change=None, **parts):
        images = fields(N)
        images["compound"] = [f"compound {i // 8}" for i in range(N)]
        before = make_study("before", images=images, **answers(images, right_before))
        after = apply_corrections(images, exclude, relabel or {})
        if change:
            change(after)
        return before, make_study("after", images=after, **answers(after, right_after), **parts)

    return make


def answers(images, right):
    """A summary whose prediction is the label where `right`, and another class elsewhere."""
    label = images["label"].astype(object)
    scored = (images["role"] == "scored") & label.notna()
    wrong = np.where(label == "Actin", "Tubulin", "Actin")
    correct = pd.Series(np.asarray(right, bool), index=images.index)
    table = pd.DataFrame(
        {
            "predicted": label.where(correct & label.notna(), wrong),
            "correct": correct.astype("boolean").where(scored, pd.NA),
            "confidence": 0.5,
        }
    )
    for name in ("Actin", "Tubulin", "DMSO-like"):
        table[f"p_{name}"] = 1 / 3
    return {"summaries": {"vi": table}}


def test_only_untouched_images_count(pair):
    before, after = np.ones(N), np.ones(N)
    before[:10] = 0  # ten wrong before: five will be excluded, one relabelled, four stay
    after[6:8] = 0  # two of those four are still wrong
    ids = [f"P1/B{i // 2 % 4 + 2:02d}/{i % 2 + 1}" for i in range(6)]
    found = compare_cleaned(*pair(before, after, ids[:5], {ids[5]: "DMSO-like"}))
    assert (found.images, found.excluded, found.relabelled, found.other_picture) == (34, 5, 1, 0)
    assert found.before == pytest.approx(30 / 34) and found.after == pytest.approx(32 / 34)
    assert (found.groups, found.grouped_by) == (5, "compound")
    assert found.difference.value == pytest.approx(2 / 34)
    # The flattering number sees two thirds of the errors gone, which is no merit of the network.
    assert found.flattering.before == pytest.approx(30 / 40)
    assert found.flattering.after == pytest.approx(33 / 35)
    assert (found.flattering.n_before, found.flattering.n_after) == (40, 35)


def test_interval_is_the_paired_one_over_compounds(pair):
    rng = np.random.default_rng(1)
    before, after = rng.random(N) < 0.6, rng.random(N) < 0.8
    found = compare_cleaned(*pair(before, after))
    groups = np.repeat([f"compound {i}" for i in range(5)], 8)
    assert found.difference == paired_difference(after, before, groups)
    assert found.difference.low < found.difference.value < found.difference.high


def test_the_sentence_has_the_figures_and_says_when_no_difference_is_shown(pair):
    right = np.arange(N) % 4 > 0
    text = compare_cleaned(*pair(right, right)).sentence()
    assert re.findall(r"\d+(?:\.\d)?(?= (?:unchanged|% correct|% after|compounds))", text) == [
        "40",
        "75.0",
        "75.0",
        "5",
    ]
    assert "no difference is shown" in text
    wrong = compare_cleaned(*pair(np.zeros(N), np.ones(N))).sentence()
    assert "no difference" not in wrong and "+100.0 points" in wrong


def test_one_compound_gives_no_interval(pair):
    def lone(images):
        images.loc[8:, "role"] = "unlabelled"

    found = compare_cleaned(*pair(np.zeros(N), np.ones(N), change=lone))
    assert found.groups == 1 and np.isnan(found.difference.low)
    assert "no interval from a single compound" in found.sentence()


def test_other_pictures_are_left_out_and_counted(pair):
    def other(images):
        images.loc[3, "content_hash"] = "f" * 16

    found = compare_cleaned(*pair(np.ones(N), np.ones(N), change=other))
    assert (found.images, found.other_picture) == (39, 1)


def test_folds_may_have_new_numbers_but_not_a_new_division(pair):
    def renumber(images):
        images["fold"] = 7 - images["fold"]

    def divide(images):
        images.loc[0, "fold"] = 1 - images.loc[0, "fold"]

    assert compare_cleaned(*pair(np.ones(N), np.ones(N), change=renumber)).images == N
    with pytest.raises(InputError, match=r"different folds \(fold [01] of before"):
        compare_cleaned(*pair(np.ones(N), np.ones(N), change=divide))


def test_rival_causes_are_named(pair):
    before, after = pair(
        np.ones(N), np.ones(N), settings={"epochs": 3, "exclude": "flagged.csv", "title": "cleaned"}
    )
    assert compare_cleaned(before, after).other_settings == ("epochs",)


def test_studies_that_cannot_be_compared(pair):
    def rename(images):
        images["image_id"] += " again"

    before, after = pair(np.ones(N), np.ones(N), change=rename)
    with pytest.raises(InputError, match="share no scored image"):
        compare_cleaned(before, after)
    with pytest.raises(InputError, match=r"method laplace; .* vi and vi"):
        compare_cleaned(before, after, "laplace")


def test_counts_of_images_that_only_one_study_scores(pair):
    def other(images):
        images.loc[[0, 1], "role"] = "unlabelled"  # scored before alone: excluded
        images.loc[2, "content_hash"] = "f" * 16
        images.loc[2, "label"] = "DMSO-like"  # another picture and another label: relabelled
        images.loc[3, "content_hash"] = "e" * 16

    before, after = pair(np.ones(N), np.ones(N), change=other)
    found = compare_cleaned(before, after)
    assert (found.images, found.excluded, found.relabelled, found.other_picture) == (36, 2, 1, 1)
    back = compare_cleaned(after, before)
    assert (back.images, back.excluded, back.relabelled, back.other_picture) == (36, 0, 3, 1)
    assert (found.flattering.n_before, found.flattering.n_after) == (40, 38)
