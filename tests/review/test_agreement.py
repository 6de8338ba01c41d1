"""Agreement of reviewers: counts and kappa by hand, and from a real log."""

import math

import numpy as np
import pandas as pd
from page_studies import write_animals

from bnn_core.review.agreement import agreements
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study


def opinions(*rows):
    return pd.DataFrame(rows, columns=["row", "reviewer", "decision", "new_label"], dtype=object)


def test_kappa_of_a_table_by_hand():
    # 50 images: both keep 20, both exclude 15, Ann alone excludes 5, Ben alone 10 (Cohen 1960).
    pairs = [("keep", "keep")] * 20 + [("exclude", "exclude")] * 15
    pairs += [("exclude", "keep")] * 5 + [("keep", "exclude")] * 10
    rows = [
        (i, who, d, None)
        for i, pair in enumerate(pairs)
        for who, d in zip(("Ann", "Ben"), pair, strict=True)
    ]
    (pair,) = agreements(opinions(*rows, (99, "Ann", "keep", None)))
    observed, chance = 35 / 50, (0.6 * 0.5) + (0.4 * 0.5)
    assert (pair.reviewers, pair.images, pair.same) == (("Ann", "Ben"), 50, 35)
    assert math.isclose(pair.kappa, (observed - chance) / (1 - chance))


def test_another_new_label_is_another_decision_and_one_decision_has_no_kappa():
    rows = [(1, "A", "relabel", "cat"), (1, "B", "relabel", "dog"), (2, "A", "relabel", "cat")]
    (pair,) = agreements(opinions(*rows, (2, "B", "relabel", "cat")))
    assert (pair.images, pair.same) == (2, 1)
    (pair,) = agreements(opinions((1, "A", "keep", None), (1, "B", "keep", None)))
    assert pair.same == 1 and np.isnan(pair.kappa) and "kappa" not in pair.sentence()
    assert agreements(opinions()) == [] == agreements(opinions((1, "A", "keep", None)))


def test_the_log_gives_each_reviewers_last_decision(tmp_path):
    study = open_study(write_animals(tmp_path, n=30))
    log = ReviewLog(tmp_path)
    flag = {"reason": "other", "note": "", "filter": "", "new_label": None}
    log.flag(study, [1, 2, 3], reviewer="Ann", decision="keep", **flag)
    log.flag(study, [2, 3, 4], reviewer="Ben", decision="exclude", **flag)
    log.flag(study, [3], reviewer="Ann", decision="exclude", **flag)
    log.withdraw(study, [4], reviewer="Ben")
    table = log.opinions(study)
    assert {(r.row, r.reviewer): r.decision for r in table.itertuples()} == {
        (1, "Ann"): "keep",
        (2, "Ann"): "keep",
        (3, "Ann"): "exclude",
        (2, "Ben"): "exclude",
        (3, "Ben"): "exclude",
    }
    (pair,) = agreements(table)
    assert (pair.images, pair.same) == (2, 1)
    assert ReviewLog(tmp_path / "none").opinions(study).empty
