"""Counts, lists and shares in words, for every message, note and report."""

import difflib
from collections.abc import Iterable, Sequence

#: The beginning of a note that probably means a mistake.
WARNING = "WARNING: "


class Noted:
    """What was read, with notes on how."""

    notes: list[str]

    @property
    def doubts(self) -> list[str]:
        """The notes that probably mean a mistake."""
        return [note for note in self.notes if note.startswith(WARNING)]


#: Most letters of a name in a figure; its hover text has the whole name.
MOST_LETTERS = 32


def short(name: object, most: int = MOST_LETTERS) -> str:
    """A name with at most `most` letters: a longer one keeps its start and its end."""
    text = str(name)
    if len(text) <= most:
        return text
    end = (most - 1) // 3
    return f"{text[: most - 1 - end]}…{text[-end:]}"


def count(n: int, noun: str) -> str:
    """ "1 image", "12 images"."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def of_all(k: int, n: int, noun: str) -> str:
    """ "2 of the 3 wells", "0 of the 3 wells", "both wells", "the only well", "no well (of 1)"."""
    if n == 1:
        return f"the only {noun}" if k else f"no {noun} (of 1)"
    if k == n:
        return f"both {noun}s" if n == 2 else f"all {n:,} {noun}s"
    return f"{k:,} of the {n:,} {noun}s"


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


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ " (did you mean 'label'?)" for a typing mistake in `word`, "" without a similar name."""
    similar = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{similar[0]}'?)" if similar and similar[0] != word else ""


def two_digits(value: float) -> str:
    """ "0.94" of a score; a value that rounds to zero has no sign."""
    return f"{round(value, 2) + 0.0:.2f}"


def percent(share: float, digits: int = 0) -> str:
    """ "71 %" of a share in [0, 1]; "<1 %" and ">99 %" for shares that only round to 0 and 1."""
    rounded, step = round(100 * share, digits), 10.0**-digits
    if rounded == 0 and share > 0:
        return f"<{step:.{digits}f} %"
    if rounded == 100 and share < 1:
        return f">{100 - step:.{digits}f} %"
    return f"{100 * share:.{digits}f} %"
