"""One record per method: its names, how figures draw it, and which method counts first.

A method is a way to train one network or many and to predict with them. To add one: a `Method` in
`_RECORDS` here, and a module of `networks/methods` with how it is trained and drawn.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

#: Grey of a method that this version does not know.
UNKNOWN_COLOUR = "#B9BFC4"


@dataclass(frozen=True)
class Method:
    """What the whole program knows of one method.

    key: its name in flags, files and columns. name, short: for people, in full and in one word.
    colour, dash, symbol: of its lines and marks in Plotly's terms. bayesian: its networks are draws
    from a posterior over the weights. single: it is one network, so it has no samples and its
    epistemic variance is 0. needs_standard: it trains no network and is fitted to the
    standard network. needs_held_back: to images that the standard network was not trained on.
    precedence: the lowest of a study counts (`reading_method`). module: its module in
    `networks/methods`, where its name is not the key. settings: where they differ from those of the
    method of its module, or from those of the standard network.
    """

    key: str
    name: str
    short: str
    precedence: int
    colour: str = UNKNOWN_COLOUR
    dash: str | None = None
    symbol: str = "circle"
    bayesian: bool = False
    single: bool = False
    needs_standard: bool = False
    needs_held_back: bool = False
    module: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)


# Colours: Okabe & Ito's palette, in which orange means wrong; the variants are darker kin of it.
# Settings: usual choices in the literature (five members: Lakshminarayanan et al. 2017; cycles:
# Zhang et al. 2020), not tuned here.
_RECORDS = (
    Method("vi", "Bayesian (mean-field VI)", "Bayesian", 0, "#0072B2", bayesian=True),
    Method(
        "standard",
        "Standard network",
        "Standard",
        90,
        "#E69F00",
        dash="dash",
        symbol="diamond",
        single=True,
    ),
    Method(
        "dropout", "MC dropout", "Dropout", 5, "#009E73", bayesian=True, settings={"dropout": 0.1}
    ),
    Method("ensemble", "Deep ensemble", "Ensemble", 3, "#CC79A7", settings={"members": 5}),
    Method(
        "sgmcmc",
        "Stochastic-gradient MCMC",
        "SG-MCMC",
        6,
        "#4A5560",
        bayesian=True,
        settings={
            "optimizer": "sghmc",
            "schedule": "cyclical",
            "cycles": 3,
            "learning_rate": 0.1,
            "sampling_temperature": 0.01,
            "weight_decay": 0.0,
            "swa": 0.0,
        },
    ),
    Method(
        "laplace",
        "Laplace approximation",
        "Laplace",
        4,
        "#56B4E9",
        bayesian=True,
        needs_standard=True,
    ),
    Method(
        "temperature",
        "Standard, temperature scaled",
        "Tempered",
        91,
        "#9C6B00",
        single=True,
        needs_standard=True,
        needs_held_back=True,
    ),
    Method(
        "vi-gaussian",
        "Bayesian, Gaussian prior",
        "Gaussian prior",
        1,
        "#7A6FD0",
        bayesian=True,
        module="vi",
        settings={"prior": "gaussian", "prior_sigma1": 1.0},
    ),
    Method(
        "vi-mixture",
        "Bayesian, mixture prior",
        "Mixture prior",
        2,
        "#8E5EA2",
        bayesian=True,
        module="vi",
        settings={"prior": "mixture", "prior_sigma1": 1.0},
    ),
)
METHODS = {method.key: method for method in _RECORDS}


def method_of(key: str) -> Method:
    """The record of a method; one that this version does not know gets its key as its name.

    Such a method counts before a single network and after all others.
    """
    return METHODS.get(key) or Method(key, key, key, 50)


def by_precedence(keys: Iterable[str]) -> list[str]:
    """Methods in the order in which they count, whatever order they were trained in."""
    return sorted(keys, key=lambda key: method_of(key).precedence)


def reading_method(keys: Iterable[str]) -> str:
    """The one method that counts where only one can: in filters, rankings, report and export."""
    return by_precedence(keys)[0]


def bayes_method(keys: Iterable[str]) -> str | None:
    """The first method with several networks, by precedence, or None."""
    return next((key for key in by_precedence(keys) if not method_of(key).single), None)


def standard_method(keys: Iterable[str]) -> str | None:
    """The standard network's key where it is among `keys`, or None."""
    return "standard" if "standard" in keys else None
