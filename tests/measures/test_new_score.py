"""A score is one record and one formula: a toy goes from samples to pages and export."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from page_studies import pages, write_compounds

from bnn_core.base.scores import SCORES, Score
from bnn_core.measures.comparison import compare
from bnn_core.measures.levels import aggregate
from bnn_core.measures.uncertainty import FORMULAS, summarise
from bnn_core.review.exporting import export_table
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study

TOY = Score("toy", "Second largest", "second", "p2", "The second largest mean softmax.", limit=0.5)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(SCORES, TOY.key, TOY)
    monkeypatch.setitem(FORMULAS, TOY.key, lambda x: np.sort(x.p, axis=1)[:, -2])


def test_a_score_is_one_record_and_one_formula(toy, monkeypatch, tmp_path):
    samples = np.array([[[0.7, 0.2, 0.1]], [[0.5, 0.4, 0.1]]])
    assert_allclose(summarise(samples, list("abc"))["toy"], [0.3])

    study = open_study(write_compounds(tmp_path))
    table = study.table("vi")
    assert aggregate(table, "compound", study.classes)["toy"].between(0, 0.5).all()
    assert np.isfinite(compare({"vi": table}, study.classes, "toy", repeats=2).values["aurc"]).all()
    exported = export_table(study, ReviewLog(tmp_path), rows=range(len(table)))
    assert_allclose(exported["vi_toy"], study.summary("vi")["toy"])
    app = pages(monkeypatch, tmp_path, "confidence.py", study=study.name, score=TOY.short)
    assert app.slider(key="cut_toy").max == 0.5 and not app.exception
