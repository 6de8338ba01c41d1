"""The records of scores agree with the columns that `summarise` makes."""

import numpy as np
import pytest

from bnn_core.base.scores import NOVELTY, SCORES, UNLIKENESS
from bnn_core.measures.levels import aggregate
from bnn_core.measures.uncertainty import Moments, moments, summarise
from bnn_core.measures.unlikeness import with_unlikeness

CLASSES = [f"class {j}" for j in range(4)]


@pytest.fixture(scope="module")
def samples():
    """(T, N, C) softmax samples from sure to undecided, the last image the same in all networks."""
    rng = np.random.default_rng(3)
    mean = rng.dirichlet(np.full(4, 0.5), size=300)
    drawn = np.stack([rng.dirichlet(row * 20 + 0.02, size=30) for row in mean], axis=1)
    drawn[:, 0] = [1, 0, 0, 0]
    drawn[:, 1] = 0.25
    drawn[:, 2] = np.eye(4)[np.arange(30) % 2]
    return drawn


@pytest.fixture(scope="module")
def table(samples):
    novelty = {key: np.linspace(0, 2, 300) for key in NOVELTY}
    return with_unlikeness(
        summarise(moments(samples), CLASSES, novelty=novelty), np.arange(300) < 200
    )


def test_every_score_is_a_column_of_a_summary_and_every_column_has_a_record(table):
    others = {"predicted", "correct", "p_label", *(f"p_{name}" for name in CLASSES)}
    assert set(table.columns) - others == set(SCORES)


@pytest.mark.parametrize("key", SCORES)
def test_values_stay_within_the_range(key, table):
    highest = SCORES[key].highest(len(CLASSES))
    assert table[key].min() >= SCORES[key].lowest(len(CLASSES)) - 1e-9
    if highest is None:
        assert key in (*NOVELTY, UNLIKENESS)
    else:
        assert table[key].max() <= highest + 1e-9


@pytest.mark.parametrize("key", [k for k in SCORES if k not in (*NOVELTY, UNLIKENESS)])
def test_the_direction_is_that_of_a_sure_and_an_unsure_image(key, table):
    # Image 0: probability 1. Image 2: half the networks say one class, half another.
    # Image 1: all networks say 1 of 4 for each class, doubt within the networks.
    unsure = 1 if key == "aleatoric" else 2
    sign = np.sign(table[key].iat[0] - table[key].iat[unsure])
    assert sign == SCORES[key].direction


def test_what_needs_samples_is_unknown_without_them(samples):
    table = summarise(Moments(samples.mean(axis=0)), CLASSES)
    lacking = {key for key, score in SCORES.items() if key in table and table[key].isna().all()}
    assert lacking == {key for key, score in SCORES.items() if score.needs_samples}


def test_what_is_between_networks_is_zero_for_one(samples):
    table = summarise(moments(samples[:1]), CLASSES)
    zero = {key for key in SCORES if key in table and np.allclose(table[key], 0, atol=1e-12)}
    assert zero == {key for key, score in SCORES.items() if score.between_networks}


def test_levels_above_the_image_have_the_scores_that_say_so(table):
    rows = table.assign(label="class 0", compound=np.repeat(["a", "b", "c"], 100))
    units = aggregate(rows, "compound", CLASSES)
    known = {key for key in SCORES if units[key].notna().all()}
    assert known == {key for key, score in SCORES.items() if not score.needs_samples}


def test_axes_say_where_the_unlike_images_are():
    assert SCORES[UNLIKENESS].axis.endswith("(more unlike to the right)")
    assert SCORES["energy"].axis.endswith("(more unlike to the left)")
    assert SCORES["predictive_entropy"].axis.endswith("(surer to the left)")
