"""What the forms of Your data share: lists typed into a field, flags under the fields' words."""

import re
from collections.abc import Mapping

from bnn_core.base.errors import InputError

#: Image files that are checked, spread over the table: a network folder is slow.
LOOKED_FOR = 200


READ_ONLY = (
    "This server only shows studies. Make yours in a terminal on the machine itself, with "
    "`bnn import` or `bnn study`."
)


def words(text: str) -> tuple[str, ...]:
    """The parts of a text between commas, without blanks around them."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def pairs(text: str) -> dict[str, str]:
    """NAME=COLUMN, separated by commas; InputError for a part without '='."""
    columns = {}
    for pair in words(text):
        name, equals, column = pair.partition("=")
        if not equals:
            raise InputError(f"other columns: '{pair}' is not NAME=COLUMN, such as compound=Drug")
        columns[name.strip()] = column.strip()
    return columns


def say(text: str, fields: Mapping[str, str]) -> str:
    """An engine's message that names the page's fields instead of flags. fields: flag -> field."""
    return re.sub(
        f"--({'|'.join(map(re.escape, fields))})\\b", lambda flag: f"“{fields[flag[1]]}”", text
    )
