"""One record per method: its names, how figures draw it, and which method counts first.

A method is a way to train one network or many and to predict with them. To add one: a `Method` in
`_RECORDS` here, and how it is trained and drawn in `networks/methods.py` under the same key.
"""

from collections.abc import Iterable
from dataclasses import dataclass

#: Grey of a method that this version does not know.
UNKNOWN_COLOUR = "#B9BFC4"


@dataclass(frozen=True)
class Method:
    """What the whole program knows of one method.

    key: its name in flags, files and columns. name, short: for people, in full and in one word.
    colour, dash, symbol: of its lines and marks in Plotly's terms. bayesian: its networks are draws
    from a posterior over the weights. single: it is one network, so it has no samples and its
    epistemic variance is 0. needs_standard: it trains no network and is fitted to the
    standard network. precedence: the lowest of a study counts (`reading_method`).
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


# Colours: Okabe & Ito's palette, in which orange means wrong; the variants are darker kin of it.
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
    Method("dropout", "MC dropout", "Dropout", 5, "#009E73", bayesian=True),
    Method("ensemble", "Deep ensemble", "Ensemble", 3, "#CC79A7"),
    Method(
        "sgmcmc",
        "Stochastic-gradient MCMC",
        "SG-MCMC",
        6,
        "#4A5560",
        bayesian=True,
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
    ),
    Method(
        "vi-gaussian", "Bayesian, Gaussian prior", "Gaussian prior", 1, "#7A6FD0", bayesian=True
    ),
    Method("vi-mixture", "Bayesian, mixture prior", "Mixture prior", 2, "#8E5EA2", bayesian=True),
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
