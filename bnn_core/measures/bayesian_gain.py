"""Does a Bayesian method beat the standard network of the same study? In one sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

from bnn_core.base.methods import method_of, standard_method
from bnn_core.measures.comparison import CRITERIA, Comparison, times
from bnn_core.measures.intervals import Interval

#: Both are proper scores: the best possible value needs the true probabilities.
PROPER = ("nll", "brier")


@dataclass(frozen=True)
class Gain:
    """A method against the standard network. differences: criterion -> method minus standard with
    its paired 95 % interval. cost: training, the standard one included, over the standard's; nan
    where it is not known."""

    method: str
    differences: dict[str, Interval]
    cost: float

    @property
    def better(self) -> bool:
        """Whether all proper scores are lower, and their intervals too."""
        return all(gap.high < 0 for gap in self.differences.values())


def gains(comparison: Comparison, methods: Mapping[str, Mapping[str, Any]]) -> list[Gain]:
    """Every method with several networks against the standard network, the lowest NLL first; empty
    without a standard network, and without enough images for an interval. methods: study.json's."""
    standard = standard_method(comparison.methods)
    if standard is None:
        return []
    costs = times(methods)["training_total"]
    found = [
        Gain(
            method,
            {name: comparison.difference(name, method, standard) for name in PROPER},
            float(costs.get(method, float("nan")) / costs[standard]),
        )
        for method in comparison.methods
        if not method_of(method).single
    ]
    found = [gain for gain in found if not any(isnan(g.low) for g in gain.differences.values())]
    return sorted(found, key=lambda gain: gain.differences["nll"].value)


def sentence(gains_of_study: list[Gain]) -> str:
    """Which methods beat the standard network, or that none does; "" without any to compare."""
    if not gains_of_study:
        return ""
    better = [gain for gain in gains_of_study if gain.better]
    parts = "; ".join(_in_words(gain) for gain in better or gains_of_study)
    if better:
        return f"Better than the standard network in NLL and Brier score: {parts}."
    return f"No method beats the standard network in both NLL and Brier score: {parts}."


def _in_words(gain: Gain) -> str:
    differences = ", ".join(
        f"{CRITERIA[name].title} {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
        for name, gap in gain.differences.items()
    )
    cost = f", at {gain.cost:.1f} times its training" if not isnan(gain.cost) else ""
    return f"{method_of(gain.method).short} {differences}{cost}"
