"""Sets of classes: the promise on new compounds by simulation, by class, and the plain definition."""

import numpy as np
import pandas as pd
import pytest

from bnn_core.measures.prediction_sets import (
    SHARES,
    _of_groups,
    fewest_groups,
    prediction_sets,
    table_sets,
)


def world(seed, classes, compounds, spread, tag="", images=(12, 48)):
    """Softmax (N, C), labels and compounds; every compound leans to some classes."""
    rng = np.random.default_rng([seed, len(tag)])
    p, label, group = [], [], []
    for k in range(classes):
        for g in range(compounds):
            n = rng.integers(*images)
            logits = rng.normal(size=(n, classes)) + rng.normal(0, spread, classes)
            logits[:, k] += 1.5 + 0.5 * k / classes
            p.append(np.exp(logits))
            label += [k] * n
            group += [f"{tag}{k}.{g}"] * n
    p = np.concatenate(p)
    return p / p.sum(axis=1, keepdims=True), np.array(label), np.array(group, dtype=object)


def covered(member, label, group):
    """(C,) mean over the compounds of each class of the share of images whose set has the label."""
    holds = member[np.arange(len(label)), label]
    return [
        np.mean([holds[group == g].mean() for g in np.unique(group[label == k])])
        for k in range(member.shape[1])
    ]


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.5])
def test_every_class_is_covered_on_new_compounds(spread):
    new, own = [], []
    for seed in range(25):
        p, label, group = world(seed, 3, 25, spread)
        q, truth, other = world(seed, 3, 25, spread, "new")
        unknown = np.full(len(truth), -1)
        sets = prediction_sets(
            np.vstack([p, q]), np.append(label, unknown), np.append(group, other)
        )
        assert sets.by_class.all() and sets.enough
        new.append(covered(sets.member[len(label) :], truth, other))
        own.append(covered(sets.member[: len(label)], label, group))
    assert np.abs(np.mean(new, axis=0) - 0.9).max() < 0.02
    assert np.abs(np.mean(own, axis=0) - 0.9).max() < 0.02


def test_few_compounds_share_one_limit():
    p, label, group = world(0, 6, 3, 0.5)
    sets = prediction_sets(p, label, group)
    assert not sets.by_class.any() and sets.enough
    assert abs(sets.holds(label).mean() - 0.9) < 0.04
    few = prediction_sets(p[label < 2], label[label < 2], group[label < 2])
    assert not few.enough and few.size.min() == 6


def test_single_images_have_the_rank_of_the_definition():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), size=120)
    label = rng.integers(3, size=120)
    sets = prediction_sets(p, label, level=0.8)
    for i in range(120):
        for k in range(3):
            # A conformal p-value against the other images of the class, and itself.
            others = p[np.delete(np.arange(120), i)][np.delete(label, i) == k, k]
            value = ((others <= p[i, k]).sum() + 1) / (len(others) + 1)
            expected = value > 0.2 or k == p[i].argmax()
            assert sets.member[i, k] == expected, (i, k, value)


def test_groups_of_one_image_are_single_images():
    p, label, group = world(1, 3, 40, 0.5, images=(1, 2))
    alone, named = prediction_sets(p, label), prediction_sets(p, label, group)
    np.testing.assert_array_equal(alone.member, named.member)


def plainly(p, codes, level):
    """`_of_groups` by its definition, one group after the other."""
    groups = [p[codes == g] for g in range(codes.max() + 1)]
    weight = np.array([sum((g < x).mean() for g in groups) for x in np.sort(p)])

    def limit(allowed, own):
        outside = [w - (own < x).mean() for w, x in zip(weight, np.sort(p), strict=True)]
        fits = np.flatnonzero(np.array(outside) <= allowed + 1e-9)
        return np.sort(p)[fits[-1]] if allowed >= -1e-9 else -np.inf

    for share in SHARES:
        limits = [limit((1 - level) * (len(groups) - 1 + share) - share, g) for g in groups]
        if np.mean([(g >= low).mean() for g, low in zip(groups, limits, strict=True)]) >= level:
            break
    return limits, limit((1 - level) * (len(groups) + share) - share, np.array([np.inf]))


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize("seed", range(6))
def test_all_groups_at_once_are_each_by_itself(level, seed):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.append(np.arange(25), rng.integers(0, 25, 120)))
    lean = rng.normal(0, seed / 4, 25)
    p = 1 / (1 + np.exp(-rng.normal(1, 1, 145) - lean[codes]))
    p = p.round(1) if seed % 2 else p  # many equal values
    limits, of_all = _of_groups(p, codes, np.bincount(codes), level)
    slow, slow_of_all = plainly(p, codes, level)
    np.testing.assert_array_equal(limits, slow)
    assert of_all == slow_of_all


def test_an_image_is_not_judged_by_images_of_the_same_compound():
    p, label, group = world(2, 2, 30, 0.5)
    mine = group == "0.0"
    other = np.where(mine, -1, label)
    with_it, without = (prediction_sets(p, y, group).member[mine] for y in (label, other))
    np.testing.assert_array_equal(with_it[:, 0], without[:, 0])


def test_a_higher_chance_gives_larger_sets():
    p, label, group = world(3, 4, 30, 0.5)
    sizes = [prediction_sets(p, label, group, level).size.mean() for level in (0.8, 0.9, 0.95)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]
    assert (fewest_groups(0.8), fewest_groups(0.9), fewest_groups(0.95)) == (4, 9, 19)
    with pytest.raises(ValueError, match="chance"):
        prediction_sets(p, label, group, 90)


def test_an_image_without_a_likely_class_is_unusual():
    p, label, _ = world(4, 3, 40, 0.0)
    odd = np.vstack([p, [[0.35, 0.33, 0.32]]])
    sets = prediction_sets(odd, np.append(label, -1), level=0.5)
    assert sets.unusual[-1] and sets.member[-1].tolist() == [True, False, False]
    assert 0 < sets.unusual[:-1].mean() < 0.5


def test_only_images_that_an_accuracy_counts_calibrate():
    p, label, group = world(4, 3, 12, 0.5)
    names = np.array(["a", "b", "c"])
    table = pd.DataFrame(p, columns=[f"p_{name}" for name in names]).assign(
        label=names[label], compound=group, role="scored", correct=label == p.argmax(axis=1)
    )
    expected = table_sets(table, names).member
    # Rows with a label of which the network is never right: each kind is not counted.
    more = table.assign(**{f"p_{name}": p[:, (k + 1) % 3] for k, name in enumerate(names)})
    kinds = {
        "role": {"role": "control"},
        "new": {"role": "new"},
        "added": {"source": "letters"},
        "unlearned": {"unpredictable": True},
    }
    for kind, change in kinds.items():
        both = pd.concat([table, more.assign(**change)], ignore_index=True)
        member = table_sets(both, names).member[: len(table)]
        np.testing.assert_array_equal(member, expected, err_msg=kind)
