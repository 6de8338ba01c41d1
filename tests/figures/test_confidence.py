import numpy as np
import pytest

from bnn_core.figures.confidence import ScoreAxis, curves
from bnn_core.measures.evaluation import certainty
from bnn_core.measures.intervals import selective_bands


@pytest.mark.parametrize("score, turn", [("confidence", 1), ("predictive_entropy", -1)])
@pytest.mark.parametrize("against", ["cut-off", "share kept"])
def test_a_point_of_a_curve_carries_the_score_at_which_it_is_cut(score, turn, against):
    values = np.arange(0, 1.005, 0.01).round(6)[::turn]
    scores, correct = np.array([0.2, 0.4, 0.6, 0.8]), np.array([True, False, True, True])
    bands = {"vi": selective_bands(certainty(score, scores), correct, certainty(score, values))}
    figure = curves(bands, {"vi": "Bayesian"}, ScoreAxis(score, 0, 1, 0.5), values, against=against)
    lines = [t for t in figure.data if t.customdata is not None]
    assert lines
    for line in lines:
        for cut, text, x, y in zip(line.customdata, line.text, line.x, line.y, strict=True):
            kept = scores >= cut if turn > 0 else scores <= cut
            assert f"of {kept.sum()} kept" in text
            share = 100 * kept.mean()
            assert x == pytest.approx(share if against == "share kept" else cut)
            assert y in (
                pytest.approx(100 * correct[kept].mean() if kept.any() else 0),
                pytest.approx(share),
            )
    marks = [t for t in figure.data if t.mode == "markers"]
    assert [tuple(m.x) for m in marks] == ([(50.0,)] if against == "share kept" else [])
