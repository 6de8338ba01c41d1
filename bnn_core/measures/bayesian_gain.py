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
#: Cost, as a multiple of the standard network's training, from which on the costs are unequal.
UNEQUAL_COST = 1.2


@dataclass(frozen=True)
class Gain:
    """A method against the standard network. differences: criterion -> method minus standard with
    the interval of the paired difference. cost: training, the standard one included, over the
    standard's; nan where it is not known."""

    method: str
    differences: dict[str, Interval]
    cost: float

    @property
    def better(self) -> bool:
        """Whether all proper scores are lower, and their intervals too."""
        return all(gap.high < 0 for gap in self.differences.values())

    @property
    def worse(self) -> dict[str, Interval]:
        """The proper scores whose whole interval is higher than the standard network's."""
        return {name: gap for name, gap in self.differences.items() if gap.low > 0}


def gains(comparison: Comparison, methods: Mapping[str, Mapping[str, Any]]) -> list[Gain]:
    """Every method with several networks against the standard network, the lowest NLL first; empty
    without a standard network, and without enough images for an interval. methods: study.json's.

    With M methods an interval has the level 1 - 0.05 / M (Bonferroni): all of them hold together
    with 95 %.
    """
    standard = standard_method(comparison.methods)
    if standard is None:
        return []
    costs = times(methods)["training_total"]
    several = [method for method in comparison.methods if not method_of(method).single]
    level = 1 - 0.05 / max(len(several), 1)
    measured = [
        Gain(
            method,
            {name: comparison.difference(name, method, standard, level) for name in PROPER},
            float(costs.get(method, float("nan")) / costs[standard]),
        )
        for method in several
    ]
    known = [
        gain for gain in measured if not any(isnan(gap.low) for gap in gain.differences.values())
    ]
    return sorted(known, key=lambda gain: gain.differences["nll"].value)


def sentence(gains_of_study: list[Gain]) -> str:
    """Which methods beat the standard network and which are worse, or that none beats it; "" without
    any to compare."""
    if not gains_of_study:
        return ""
    better = [gain for gain in gains_of_study if gain.better]
    worse = [gain for gain in gains_of_study if gain.worse]
    rest = [gain for gain in gains_of_study if not gain.better and not gain.worse]
    parts = []
    if better:
        parts.append(
            "Better than the standard network in NLL and Brier score: "
            f"{'; '.join(_in_words(gain) for gain in better)}."
        )
        if any(gain.cost > UNEQUAL_COST for gain in better):
            parts.append(
                "The standard network had less training. On drawn screens and real fields a "
                "standard network of the same cost did as well or better "
                "(tests/benchmarks/RESULTS.md)."
            )
    elif rest:
        parts.append(
            "No method beats the standard network in both NLL and Brier score: "
            f"{'; '.join(_in_words(gain) for gain in rest)}."
        )
    for gain in worse:
        criteria = " and ".join(
            f"{CRITERIA[name].title}: {_span(gap)}" for name, gap in gain.worse.items()
        )
        parts.append(
            f"{method_of(gain.method).name} is worse than the standard network in {criteria}"
            f"{_cost(gain)}."
        )
    several = len(gains_of_study) > 1
    parts.append(
        "In brackets: 95 % intervals of the paired differences"
        + (f", widened because {len(gains_of_study)} methods are compared" if several else "")
        + "; lower is better. Each method was trained once, with one seed."
    )
    return " ".join(parts)


def _in_words(gain: Gain) -> str:
    differences = ", ".join(
        f"{CRITERIA[name].title} {_span(gap)}" for name, gap in gain.differences.items()
    )
    return f"{method_of(gain.method).short} {differences}{_cost(gain)}"


def _span(gap: Interval) -> str:
    return f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"


def _cost(gain: Gain) -> str:
    return "" if isnan(gain.cost) else f", at {gain.cost:.1f} times its training"
