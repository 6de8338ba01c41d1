"""Counts and lists in words, as every message, note and report puts them."""

from collections.abc import Sequence

#: How a note begins that probably means a mistake.
WARNING = "WARNING: "


def count(n: int, noun: str) -> str:
    """ "1 image", "12 images"."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def of_all(k: int, n: int, noun: str) -> str:
    """ "2 of the 3 wells", "none of the 3 wells", "both wells", "the only well", "no well (of 1)"."""
    if n == 1:
        return f"the only {noun}" if k else f"no {noun} (of 1)"
    if k == n:
        return f"both {noun}s" if n == 2 else f"all {n:,} {noun}s"
    return f"{k:,} of the {n:,} {noun}s" if k else f"none of the {n:,} {noun}s"


def be(k: int, n: int = 0) -> str:
    """ "is" or "are", after a count or after `of_all(k, n, ...)`."""
    return "is" if k == 1 or n == 1 else "are"


def have(k: int) -> str:
    """ "has" or "have", after a count."""
    return "has" if k == 1 else "have"


def listed(names: Sequence[str], most: int = 3) -> str:
    """ "A", "A and B", "A, B, C and 4 more"."""
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]


def percent(share: float) -> str:
    """ "71 %" of a share in [0, 1]; "<1 %" and ">99 %" for shares that only round to 0 and 1."""
    rounded = f"{100 * share:.0f}"
    if rounded == "0" and share > 0:
        return "<1 %"
    if rounded == "100" and share < 1:
        return ">99 %"
    return f"{rounded} %"
