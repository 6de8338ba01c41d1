"""The smallest cut-off with an accuracy: planted truth, the promise in simulation, halves."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import beta, binom

from bnn_core.measures.cutoffs import ALPHA, ALPHA_STARTS, needed_cutoff, split_halves
from bnn_core.measures.intervals import share_interval, share_p_value


def planted(n, seed=0):
    """Right always above 0.5, right half of the time below."""
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return score, (score >= 0.5) | (rng.random(n) < 0.5)


def grouped_world(seed, groups=40):
    """Scores, right or wrong, and groups that differ; the accuracy of all scores >= t is known."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), rng.integers(12, 49, groups))
    score = rng.random(len(codes))
    level = rng.normal(0, 0.8, groups)[codes]
    return score, rng.random(len(codes)) < expit(4 * score - 0.5 + level), codes


def grouped_truth(cutoff):
    t = np.linspace(cutoff, 1, 400)[:, None]
    z = np.linspace(-4, 4, 81)
    weight = np.exp(-(z**2) / 2)
    return float((expit(4 * t - 0.5 + 0.8 * z) * weight).sum() / (400 * weight.sum()))


def test_the_planted_cutoff_is_the_answer():
    score, correct = planted(20_000)
    # P(right | score >= t) = 1 - (0.5 - t) / 2 / (1 - t) for t < 0.5: 0.9 at t = 0.375
    answer = needed_cutoff(score, correct, 0.9)
    assert answer.cutoff == pytest.approx(0.39, abs=0.02) and answer.cutoff >= 0.375
    kept = score >= answer.cutoff
    assert (answer.kept, answer.right) == (kept.sum(), correct[kept].sum())
    assert answer.coverage == kept.mean() and answer.images == 20_000
    assert binom.sf(answer.right - 1, answer.kept, 0.9) <= ALPHA
    assert answer.reason is None and answer.groups is None


def test_the_promise_is_kept_for_independent_images():
    short = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        score = rng.random(1000)
        correct = rng.random(1000) < expit(6 * score - 0.3)
        answer = needed_cutoff(score, correct, 0.9)
        t = np.linspace(answer.cutoff, 1, 2000)
        short += expit(6 * t - 0.3).mean() < 0.9
    assert short <= 16  # 5 % and two standard errors


def test_the_promise_is_kept_for_groups():
    short = 0
    for seed in range(60):
        answer = needed_cutoff(*grouped_world(seed)[:2], 0.8, grouped_world(seed)[2])
        short += answer.cutoff is not None and grouped_truth(answer.cutoff) < 0.8
    assert short <= 6  # 5 % and two standard errors


def test_groups_make_it_stricter_than_images():
    score, correct, groups = grouped_world(3)
    grouped, alone = (needed_cutoff(score, correct, 0.85, g) for g in (groups, None))
    assert alone.kept > grouped.kept > 0
    assert grouped.groups == 40


def test_every_p_value_of_the_chain_is_small():
    score, correct, groups = grouped_world(5)
    answer = needed_cutoff(score, correct, 0.8, groups)
    kept = score >= answer.cutoff
    sums = [np.bincount(groups[rows], minlength=40)[:, None] for rows in (kept & correct, kept)]
    assert share_p_value(*sums, 0.8)[0] <= ALPHA
    assert share_p_value(*sums, share_interval(correct, kept, groups).value)[0] > 0.4


def test_few_groups_show_no_high_accuracy():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(18), 30)
    perfect = needed_cutoff(rng.random(540), np.ones(540, bool), 0.75, groups)
    assert perfect.cutoff is not None
    # 0.85 ** 18 is 0.054: one compound in seven could be of a kind that is not among the 18.
    answer = needed_cutoff(rng.random(540), np.ones(540, bool), 0.85, groups)
    assert answer.cutoff is None and answer.kept == 0
    assert answer.reason.startswith("18 compounds can show at most 81 %")
    assert needed_cutoff(rng.random(9), np.ones(9, bool), 0.9).reason.startswith("9 images")


def test_one_perfect_compound_is_not_enough():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), 25)
    correct = np.repeat(rng.random(40) < 0.6, 25)
    score = rng.random(1000)
    score[groups < 5], correct[groups < 5] = 2.0, True  # five compounds, surest and always right
    assert needed_cutoff(score, correct, 0.9).cutoff is not None
    assert needed_cutoff(score, correct, 0.9, groups).cutoff is None


def test_no_cutoff_has_a_reason():
    score = np.linspace(0, 1, 400)
    answer = needed_cutoff(score, np.arange(400) % 2 == 0, 0.95)
    assert (answer.cutoff, answer.kept, answer.coverage) == (None, 0, 0)
    # the best of all cut-offs keeps the fewest images, just over half right
    assert answer.reason.endswith(" %") and "best lower bound" in answer.reason
    assert needed_cutoff(np.empty(0), np.empty(0, bool), 0.9).cutoff is None
    assert needed_cutoff([0.5] * 99, [True] * 99, 1.0).cutoff is None


def test_a_second_start_helps_where_the_surest_images_are_wrong():
    rng = np.random.default_rng(0)
    score = np.sort(rng.random(2000))[::-1]
    correct = np.ones(2000, bool)
    correct[:200:5] = False  # a fifth of the surest tenth is wrong
    answer = needed_cutoff(score, correct, 0.9)
    assert answer.cutoff is not None and answer.kept > 1900


def test_only_allowed_cutoffs_are_chosen():
    score, correct = planted(5000, seed=2)
    allowed = np.arange(0, 1.05, 0.1).round(6)
    free, snapped = (needed_cutoff(score, correct, 0.85, allowed=a) for a in (None, allowed))
    assert snapped.cutoff in allowed
    assert snapped.cutoff >= free.cutoff > snapped.cutoff - 0.1


def test_the_check_is_the_same_choice_on_one_half(authors):
    groups = authors.frame["compound"].to_numpy()
    answer = needed_cutoff(authors.c, authors.correct, 0.4, groups, seed=4)
    first = split_halves(1196, groups, seed=4)
    half = needed_cutoff(authors.c[first], authors.correct[first], 0.4, groups[first])
    check = answer.check
    assert check.cutoff == half.cutoff
    other = ~first & (authors.c >= half.cutoff)
    assert (check.images, check.groups) == ((~first).sum(), 19)
    assert (check.kept, check.right) == (other.sum(), authors.correct[other].sum())
    assert check.accuracy.value == check.right / check.kept
    assert needed_cutoff(authors.c, authors.correct, 0.95, groups).cutoff is None


def test_halves_keep_groups_whole_and_sizes_alike():
    groups = np.repeat(np.arange(30), np.arange(1, 31))
    first = split_halves(len(groups), groups, seed=7)
    for g in range(30):
        assert len(set(first[groups == g])) == 1
    assert abs(first.sum() - (~first).sum()) <= 16
    assert (first != split_halves(len(groups), groups, seed=8)).any()
    assert (first == split_halves(len(groups), groups, seed=7)).all()


def test_halves_without_groups_are_even_in_every_stratum():
    strata = np.array(["a"] * 51 + ["b"] * 10 + ["c"] * 4)
    first = split_halves(65, strata=strata)
    for name, n in (("a", 51), ("b", 10), ("c", 4)):
        assert abs(2 * first[strata == name].sum() - n) <= 2


def test_a_target_is_a_share():
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        needed_cutoff([0.5], [True], 95)


def test_the_check_counts_the_other_half():
    score, correct = planted(601, seed=2)
    check = needed_cutoff(score, correct, 0.8, seed=3).check
    other = ~split_halves(601, seed=3)
    kept = other & (score >= check.cutoff)
    assert check.images == other.sum()
    assert (check.kept, check.right) == (kept.sum(), correct[kept].sum())


def test_the_reason_names_the_exact_lower_bound():
    score, correct = np.zeros(200), np.arange(200) < 180
    bound = 100 * beta.ppf(max(ALPHA_STARTS.values()), 180, 21)
    assert f"{bound:.1f} %" in needed_cutoff(score, correct, 0.9).reason


def test_the_chance_of_error_is_shared_by_two_starts():
    score, rank = np.linspace(1, 0, 2000), np.arange(2000)
    at = lambda kept: score[kept - 1]  # noqa: E731
    # 188 of 200 right has a p-value of 0.03 against 0.9: too large for one start, which has 0.025.
    assert 0.025 < binom.sf(187, 200, 0.9) < ALPHA
    few = (rank < 200) & (rank >= 12)
    assert needed_cutoff(score, few, 0.9, allowed=np.array([at(200)])).cutoff is None
    # A chain without a failure has both parts where the second one starts.
    assert 0.025 < binom.sf(599, 650, 0.9) < ALPHA
    allowed = np.array([at(650), at(600), at(200)])
    assert needed_cutoff(score, rank < 600, 0.9, allowed=allowed).kept == 650


def test_a_failed_test_ends_the_chain():
    """What a start may spend is lost with its first failure; only the next start goes on."""
    score = np.linspace(1, 0, 2000)
    correct = np.ones(2000, bool)
    correct[300:500] = False  # the first chain fails before 0.3 of the images are kept
    correct[650:] = np.arange(1350) % 2 == 0  # and nothing passes at the second start
    answer = needed_cutoff(score, correct, 0.9)
    assert answer.kept < 340
