import numpy as np
import pytest

from bnn_core.figures.confidence import ScoreAxis, curves
from bnn_core.figures.overview import reliability_diagram
from bnn_core.measures.evaluation import certainty
from bnn_core.measures.intervals import TOO_FEW, selective_bands
from bnn_core.measures.reliability import reliability


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
            assert (f"of {kept.sum()} kept" if kept.any() else "none kept") in text
            share = 100 * kept.mean()
            assert x == pytest.approx(share if against == "share kept" else cut)
            assert y in (
                pytest.approx(100 * correct[kept].mean() if kept.any() else 0),
                pytest.approx(share),
            )
    marks = [t for t in figure.data if t.mode == "markers"]
    assert [tuple(m.x) for m in marks] == ([(50.0,)] if against == "share kept" else [])


def test_bands_are_pale_and_points_hollow_where_there_are_too_few_compounds():
    """16 compounds that differ; above 0.5 only 4 of them are left."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(16), 20)
    scores = np.where(groups < 4, rng.uniform(0.5, 1, 320), rng.uniform(0, 0.5, 320))
    correct = rng.random(320) < np.where(groups % 2, 0.8, 0.2)
    values = np.linspace(0, 0.9, 10)
    bands = {"vi": selective_bands(scores, correct, values, groups)}
    assert bands["vi"].accuracy_few.tolist() == [False] * 5 + [True] * 5
    figure = curves(bands, {"vi": "Bayesian"}, ScoreAxis("confidence", 0, 1, 0.5), values)
    parts = [t for t in figure.data if t.fill == "toself" and t.xaxis == "x"]
    assert [(min(t.x), max(t.x)) for t in parts] == [(0, pytest.approx(0.5)), (0.5, 0.9)]
    assert parts[0].fillcolor != parts[1].fillcolor and {t.mode for t in parts} == {"lines"}
    line = next(t for t in figure.data if t.text is not None)
    assert [TOO_FEW in text for text in line.text] == bands["vi"].accuracy_few.tolist()
    bins = {"vi": reliability(scores, correct, groups, bins=2)}
    points = reliability_diagram(bins, {"vi": "Bayesian"}).data[-1]
    assert list(points.marker.symbol) == ["circle", "circle-open"]
    assert [TOO_FEW in text for text in points.text] == [False, True]
