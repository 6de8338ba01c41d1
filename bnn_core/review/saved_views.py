"""Saved views: addresses of the app under names, shared by all users of a cache folder.

They are in <cache>/.views.json. A view is the page and what follows the "?" of its address: study,
filters, score, cut-off and what is selected.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, TypedDict

from bnn_core.base.errors import InputError
from bnn_core.base.files import TakenError, alone, read_json, write_json
from bnn_core.base.roots import demand_making
from bnn_core.base.schema import Rule, problem_of

VIEWS_FILE, VIEWS_LOCK = ".views.json", ".views.lock"
#: Most views of a cache folder, and most characters of a name and of an address.
MOST_VIEWS, LONGEST_VIEW_NAME, LONGEST_ADDRESS = 500, 80, 8000


class View(TypedDict):
    """name: unique. page: last part of the page's address. query: what follows the "?", encoded.
    saved: an ISO time."""

    name: str
    page: Annotated[str, Rule("the name of a page", str.isidentifier)]
    query: str
    saved: str


class _File(TypedDict):
    views: list[View]


def saved_views(root: Path) -> list[View]:
    """The views of a cache folder by name. Raises InputError where the file is damaged."""
    path = Path(root) / VIEWS_FILE
    return read_json(path, _File)["views"] if path.is_file() else []


def save_view(root: Path, name: str, page: str, query: str) -> None:
    """Save a view; one of the same name is replaced.

    Characters of a name that show nothing are left out. Raises InputError for an empty or too long
    name, for what `saved_views` could not read, where the file cannot be written, and on a server
    that only shows studies.
    """
    name = " ".join("".join(c for c in name if c.isprintable() or c.isspace()).split())
    if not name or len(name) > LONGEST_VIEW_NAME:
        raise InputError(f"a view needs a name of 1 to {LONGEST_VIEW_NAME} characters")
    if len(query) > LONGEST_ADDRESS:
        raise InputError("the address of this view is too long: select fewer images")
    saved = datetime.now().astimezone().isoformat(timespec="seconds")
    view: View = {"name": name, "page": page, "query": query, "saved": saved}
    if problem := problem_of(view, View):
        raise InputError(f"this view cannot be saved ({problem})")
    _change(root, name, [view])


def remove_view(root: Path, name: str) -> None:
    """Remove a view; do nothing where no view has this name."""
    _change(root, name, [])


def _change(root: Path, name: str, new: list[View]) -> None:
    demand_making()
    try:
        with alone(Path(root) / VIEWS_LOCK, "another user is saving a view; try again"):
            views = [view for view in saved_views(root) if view["name"] != name] + new
            if len(views) > MOST_VIEWS:
                raise InputError(f"there are {MOST_VIEWS} saved views; remove some first")
            views.sort(key=lambda view: view["name"].casefold())
            write_json(Path(root) / VIEWS_FILE, {"views": views})
    except TakenError:
        raise
    except OSError as error:
        raise InputError(f"cannot write {root}: {error.strerror or error}") from error
