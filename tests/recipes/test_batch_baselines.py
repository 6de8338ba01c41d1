"""Batches and baselines, on screens drawn with and without an effect of the batch."""

import numpy as np
import pandas as pd
import pytest

from bnn_core.datasets.folds import leave_one_group_out, make_folds, unpredictable_rows
from bnn_core.measures.baselines import Shortcut, predict_in_folds
from bnn_core.recipes.baselines import Baselines, _folds
from bnn_core.recipes.batch_baselines import EASY, beyond_batch, shortcuts

CLASSES = ["A", "B", "C", "D"]


def screen(seed, batch_effect=0.0, compound_effect=1.0):
    """(images, features): 4 batches of 4 compounds in 4 wells and 6 control wells, 3 fields each.
    A class has a compound in every batch, D in the first two; numbers depend on the compound."""
    rng = np.random.default_rng(seed)
    rows = []
    for batch in range(4):
        for number in range(4):
            label = "D" if number == 3 and batch < 2 else CLASSES[number % 3]
            rows += [(batch, f"{label}{batch}{number}", label, w) for w in range(4)]
        rows += [(batch, "DMSO", None, 10 + w) for w in range(6)]
    wells = pd.DataFrame(rows, columns=["batch", "compound", "label", "well"])
    images = wells.loc[wells.index.repeat(3)].reset_index(drop=True)
    images["well"] = images["compound"] + images["well"].astype(str)
    images["plate"] = images["batch"] = "week" + images["batch"].astype(str)
    images["role"] = np.where(images["label"].isna(), "control", "scored")
    images["group"] = images["compound"]
    codes, names = pd.factorize(images["compound"])
    effect = compound_effect * rng.normal(size=(len(names), 8))
    effect[names == "DMSO"] = 0
    of_batch = batch_effect * rng.normal(size=(4, 8))
    noise = rng.normal(size=(len(images), 8))
    return images, effect[codes] + of_batch[pd.factorize(images["batch"])[0]] + 0.5 * noise


@pytest.mark.parametrize("seed", range(3))
def test_treatments_do_not_count_as_a_batch_effect(seed):
    images, features = screen(seed, compound_effect=2.0)
    known = shortcuts(images, features)["batch"]
    assert known.controls and known.images == 72 and abs(known.score) < 0.3
    # Without controls the compounds of a batch give it away: no warning, but the reason is given.
    treated = (images["role"] != "control").to_numpy()
    without = shortcuts(images[treated], features[treated])["batch"]
    assert not without.controls and without.score > EASY
    both = Baselines({}, {"batch": without}, "fields")
    assert both.easy == [] and "Treatments differ between batches" in both.shortcut_sentence()


def test_an_effect_of_the_batch_is_seen_in_the_controls():
    images, features = screen(0, batch_effect=1.0)
    known = shortcuts(images, features)
    assert known["batch"].controls and known["batch"].score > 0.9
    found = Baselines({}, known, "fields")
    assert found.easy == ["batch", "plate"] and "Treatments" not in found.shortcut_sentence()


def test_older_files_are_of_all_images():
    assert not Shortcut(0.9, 4, 600).controls


def test_with_the_batch_left_out_it_is_what_folds_of_single_groups_give():
    images, features = screen(1, batch_effect=1.0, compound_effect=0.3)
    features[:, 0] += 2.0 * pd.factorize(images["label"])[0]
    both = images.index[images["compound"] == "A00"][::2]  # one compound is in two batches
    images.loc[both, "batch"] = "week1"
    scored = (images["role"] == "scored").to_numpy()
    table, numbers = images[scored].reset_index(drop=True), features[scored]
    targets = pd.Index(CLASSES).get_indexer(table["label"])
    right, known = {}, np.ones(len(table), bool)
    for batch_out in (False, True):
        folds = make_folds(table, leave_one_group_out(table), CLASSES, batch_out)
        pairs = [(fold.train, fold.predict) for fold in folds]
        right[batch_out] = predict_in_folds(numbers, targets, pairs, 4).argmax(axis=1) == targets
        known &= ~unpredictable_rows(table, folds)
    found = beyond_batch(images, CLASSES, features)
    assert found.images == known.sum() == len(table) and found.left_out == []
    assert found.group_out == pytest.approx(right[False].mean())
    assert found.batch_out == pytest.approx(right[True].mean())


def test_a_class_of_one_batch_is_left_out_of_both():
    images, features = screen(2)
    images.loc[(images["batch"] == "week1") & (images["label"] == "D"), "label"] = "A"
    found = beyond_batch(images, CLASSES, features)
    assert found.left_out == ["D"] and "D has a single" in found.sentence()
    assert found.images == ((images["role"] == "scored") & (images["label"] != "D")).sum()


def test_a_compound_of_every_batch_is_not_predicted():
    images, features = screen(2)
    reference = images[images["compound"] == "A00"]
    others = [reference.assign(batch=f"week{k}") for k in (1, 2, 3)]
    wide = pd.concat([images, *others], ignore_index=True)
    found = beyond_batch(
        wide, CLASSES, np.concatenate([features, *[features[reference.index]] * 3])
    )
    assert found.images == (images["role"] == "scored").sum() - len(reference)


@pytest.mark.parametrize("change", [{"batch": "one"}, {"batch": None}])
def test_without_several_batches_there_is_nothing_to_leave_out(change):
    images, features = screen(2)
    assert beyond_batch(images.assign(**change), CLASSES, features) is None
    assert beyond_batch(images.drop(columns="group"), CLASSES, features) is None


def test_folds_are_rebuilt_without_the_batches_that_they_predict():
    images = screen(3)[0].assign(fold=lambda table: pd.factorize(table["compound"])[0])
    for leave_batch_out in (False, True):
        for train, predict in _folds(images, leave_batch_out):
            shared = set(images["batch"][train]) & set(images["batch"][predict])
            assert bool(shared) != leave_batch_out
