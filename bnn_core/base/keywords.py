"""Errors as a Python user reads them: recipes name flags of the command, Python has keywords."""

import functools
import re
from collections.abc import Callable
from typing import Any

from bnn_core.base.errors import InputError

#: A whole command in quotes, or a flag. The blank goes where a value follows: "--folds 1: ...",
#: "--preset fast is unknown".
_FLAG = re.compile(
    r"'bnn [^']*'|(?<![\w/\\-])--([a-z][a-z0-9-]*)"
    r"(?: (?=\d|\S+(?::(?:\s|$)|\s(?:is|has|names|does|must|holds|contains|leaves)\s)))?"
)
#: Flags with a keyword of another name.
_OTHERS = {"map": "columns"}


def naming_keywords(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function; the messages of its InputErrors name its keywords instead of flags."""

    @functools.wraps(function)
    def called(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except InputError as error:
            error.args = (with_keywords(str(error)),)
            raise

    return called


def with_keywords(message: str) -> str:
    """ "--leave-out one" is "leave_out= one", "--folds 1: ..." is "folds=1: ..."; commands stay."""
    return _FLAG.sub(
        lambda m: f"{_OTHERS.get(m[1], m[1].replace('-', '_'))}=" if m[1] else m[0], message
    )
