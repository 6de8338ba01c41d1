"""The report's cut-offs for a needed accuracy: exact for independent images, refused for few groups."""

import numpy as np
import pandas as pd
from scipy.stats import binom

from bnn_core.base.scores import DEFAULT_SCORE
from bnn_core.figures.report_cutoffs import TARGETS, needed_accuracies
from bnn_core.measures.judged_units import Judged


def judged(**columns):
    score = np.linspace(0, 1, 400)
    right = np.arange(400) >= 100  # the surest three quarters are right
    table = pd.DataFrame({DEFAULT_SCORE: score, "correct": right, "label": "a", **columns})
    return Judged(table, DEFAULT_SCORE)


def test_each_accuracy_has_the_loosest_cutoff_that_is_shown_to_have_it():
    shown = needed_accuracies({"vi": judged()})
    assert [row[1] for row in shown.table.rows] == ["80 %", "90 %", "95 %"]
    cutoffs = [float(row[2].split()[-1]) for row in shown.table.rows]
    assert cutoffs == sorted(cutoffs)
    for target, cutoff, row in zip(TARGETS, cutoffs, shown.table.rows, strict=True):
        kept = np.linspace(0, 1, 400) >= cutoff
        right = (kept & (np.arange(400) >= 100)).sum()
        assert binom.sf(right - 1, kept.sum(), target) <= 0.05
        assert f"{kept.sum():,} of 400" in row[3] and right / kept.sum() >= target


def test_few_compounds_give_a_reason_and_no_cutoff():
    shown = needed_accuracies({"vi": judged(compound=np.arange(400) % 8)})
    assert {row[2] for row in shown.table.rows} == {"none"}
    assert all("8 compounds" in row[3] for row in shown.table.rows)
    assert "compounds" in shown.guarantee
