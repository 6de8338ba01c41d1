from dataclasses import replace

import numpy as np

from bnn_core.base.methods import METHODS
from bnn_core.figures.compare import retention
from bnn_core.measures.evaluation import risk_coverage


def test_lines_have_the_colour_and_dash_of_their_method(monkeypatch):
    monkeypatch.setitem(METHODS, "dropout", replace(METHODS["dropout"], dash="dashdot"))
    rng = np.random.default_rng(0)
    curves = {key: risk_coverage(rng.random(90), rng.random(90) < 0.8) for key in METHODS}
    lines = retention(curves, {key: key for key in METHODS}).data
    assert {t.name: (t.line.color, t.line.dash) for t in lines} == {
        key: (method.colour, method.dash) for key, method in METHODS.items()
    }
