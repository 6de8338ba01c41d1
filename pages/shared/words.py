"""Numbers and names as the pages write them."""

import re

from bnn_core.measures.intervals import Interval

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>:$~&])")


def plain(name: object) -> str:
    """A name from somebody's table for Markdown: nothing in it is a command."""
    return _MARKDOWN.sub(r"\\\1", str(name))


def percent(share: float, digits: int = 2) -> str:
    """A share as percent."""
    return f"{100 * share:.{digits}f} %"


def interval(found: Interval) -> str:
    """A 95 % interval of a share, in percent."""
    return f"[{100 * found.low:.1f}, {100 * found.high:.1f}]"
