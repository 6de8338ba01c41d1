"""How microscopes name the files of a plate: one record each, from which well, field and channel are
read. To add an instrument, add a record to `INSTRUMENTS`.

Groups of a pattern: plate, well (or row and column), site, channel, plane, time, thumb (a file with
it is left out).
"""

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bnn_core.base.errors import InputError
from bnn_core.base.wording import did_you_mean
from bnn_core.tables.aliases import CANONICAL

_GUID = r"(?:[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})?"
_TIFF = r"\.tiff?"
#: Folders that instruments put between a plate's folder and its files.
INNER_FOLDERS = r"Images?|TIFFs?|Raw(?:[ _]?(?:data|images))?|Assaydev|w\d+|ch(?:annel)?[ _-]?\d+"
#: What Harmony adds to the name of a plate's folder.
MEASUREMENT = re.compile(r"__\d{4}-\d{2}-\d{2}T[\d_-]+-?Measurement[ _]?\w*$", re.I)
#: Groups that a pattern of the user may have beside columns of a study, and other names for some.
FILE_GROUPS = ("row", "column", "channel", "plane", "time", "thumb")
#: A pattern of the user that needs longer for all names is refused: some need years for one name.
_MOST_SECONDS = 20.0
_SEARCH = "import json, re, sys; a, b = json.load(sys.stdin); [re.search(a, name) for name in b]"
_GROUP_ALIASES = {"field": "site", "col": "column", "z": "plane", "t": "time", "ch": "channel"}


@dataclass(frozen=True)
class Instrument:
    """One way to name files.

    name: for people. pattern: of the whole file name; where `anywhere` is "name" or "path", of any
    part of the name or of the path below the given folder. folders: groups in the names of folders
    above the file. The plate is the folder's name unless `plate_in_name`.
    """

    name: str
    pattern: re.Pattern[str]
    folders: re.Pattern[str] | None = None
    plate_in_name: bool = False
    anywhere: str = ""

    def parse(self, path: str) -> dict[str, str] | None:
        """The groups of a file by its path with "/" below the given folder; None where the name is
        none of this instrument."""
        *above, name = path.split("/")
        search = self.pattern.search if self.anywhere else self.pattern.fullmatch
        match = search(path if self.anywhere == "path" else name)
        if match is None:
            return None
        groups = {_GROUP_ALIASES.get(k, k): v for k, v in match.groupdict().items() if v}
        for folder in above if self.folders else ():
            inside = self.folders.fullmatch(folder)
            groups |= {k: v for k, v in inside.groupdict().items() if v} if inside else {}
        return groups


def _names(text: str) -> re.Pattern[str]:
    return re.compile(text, re.I)


INSTRUMENTS = (
    Instrument(
        "Opera Phenix or Operetta",
        _names(
            r"r(?P<row>\d+)c(?P<column>\d+)f(?P<site>\d+)(?:p(?P<plane>\d+))?(?:rc\d+)?"
            rf"-(?P<channel>ch\d+)sk(?P<time>\d+)fk\d+fl\d+{_TIFF}"
        ),
    ),
    Instrument(
        "Yokogawa CV7000 or CV8000",
        _names(
            r"(?:(?P<plate>.+)_)?(?P<well>[A-Z]{1,2}\d{2})_T(?P<time>\d+)F(?P<site>\d+)L\d+A\d+"
            rf"Z(?P<plane>\d+)(?P<channel>C\d+){_TIFF}"
        ),
    ),
    Instrument(
        "IN Cell Analyzer",
        _names(
            r"(?=(?:.* z (?P<plane>\d+))?)(?=(?:.* time (?P<time>\d+))?)"
            r"(?P<row>[A-Z]{1,2}) - (?P<column>\d+)\((?:fld|field) (?P<site>\d+)"
            rf"(?: (?:wv|wave) (?P<channel>.+?))?(?: (?:z|time) \d+(?: - [\d.]+ ?m?s)?)*\){_TIFF}"
        ),
    ),
    Instrument(
        "Incucyte",
        _names(
            r"(?P<plate>.+?)_(?:(?P<channel>phase|green|red|orange|blue|nir)_)?"
            r"(?P<well>[A-P]\d{1,2})_(?P<site>\d+)_"
            r"(?P<time>\d{4}y\d{2}m\d{2}d_\d{2}h\d{2}m|\d{2}d\d{2}h\d{2}m)"
            r"\.(?:tiff?|png|jpe?g)"
        ),
        plate_in_name=True,
    ),
    Instrument(
        "ImageXpress (also BBBC021 and Cell Painting)",
        _names(
            r"(?=.*_[sw]\d)(?:(?P<plate>.+?)_)??(?P<well>(?!(?-i:[sw]))[A-Z]{1,2}\d{1,2})"
            r"(?:_s(?P<site>\d+))?"
            r"(?:_(?P<channel>w\d+))?(?:_z(?P<plane>\d+))?(?:_t(?P<time>\d+))?"
            rf"(?P<thumb>_thumb)?{_GUID}{_TIFF}"
        ),
        folders=_names(r"TimePoint_(?P<time>\d+)|ZStep_(?P<plane>\d+)"),
    ),
)


def recognised(paths: Sequence[str]) -> Instrument | None:
    """The instrument that named the most of these files; None where none named any."""
    counts = [sum(one.parse(path) is not None for path in paths) for one in INSTRUMENTS]
    return INSTRUMENTS[counts.index(max(counts))] if any(counts) else None


def own_pattern(text: str) -> Instrument:
    """A pattern of the user: a regular expression with named groups, found anywhere in the file's
    name, or in its path below the folder where the expression has a "/".

    Raises InputError for a wrong expression, unknown groups, and none that tells fields apart.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of what will mean something else one day
            pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"--pattern {text[:200]}: no regular expression ({error})") from None
    known = {*CANONICAL, *FILE_GROUPS, *_GROUP_ALIASES} - {"path", "concentration_unit"}
    for group in pattern.groupindex:
        if group not in known:
            raise InputError(
                f"--pattern: the group '{group}' is unknown{did_you_mean(group, known)}; known are "
                f"{', '.join(sorted(known))}"
            )
    meanings = [_GROUP_ALIASES.get(group, group) for group in pattern.groupindex]
    if double := next((name for name in meanings if meanings.count(name) > 1), None):
        raise InputError(f"--pattern: two groups are the {double}; keep one")
    if not pattern.groupindex:
        raise InputError(
            f"--pattern {text}: named groups expected, such as (?P<well>[A-P]\\d\\d)_(?P<site>\\d+)_"
            "(?P<channel>\\w+)"
        )
    return Instrument(
        "the given pattern",
        pattern,
        plate_in_name="plate" in pattern.groupindex,
        anywhere="path" if "/" in text else "name",
    )


def demand_quick(instrument: Instrument, paths: Sequence[str]) -> None:
    """InputError where a pattern needs too long for the names of files, such as `(a+)+b` for "aaa...".

    Another process searches them first: nothing else can stop a search, and no page of a server would
    answer during it.
    """
    names = [p if instrument.anywhere == "path" else p.split("/")[-1] for p in paths]
    command = [sys.executable, "-I", "-W", "ignore", "-c", _SEARCH]
    given = json.dumps([instrument.pattern.pattern, names]).encode()
    try:
        subprocess.run(command, input=given, timeout=_MOST_SECONDS, check=True)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"--pattern {instrument.pattern.pattern}: it needs more than {_MOST_SECONDS:.0f} seconds "
            f"for {len(names):,} names; avoid repeats within repeats, such as (\\w+)+"
        ) from None


def channel_name(groups: Mapping[str, str]) -> str:
    """A channel as people write it: "DAPI - DAPI" of an IN Cell is DAPI; "" where there is none."""
    first, dash, second = groups.get("channel", "").partition(" - ")
    return first if dash and first == second else groups.get("channel", "")
