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
    part of the name or of the path below the given folder. example: a name. folders: groups in the
    names of folders above the file. The plate is the folder's name unless `plate_in_name`.
    from_zero: rows and columns count from 0.
    """

    name: str
    pattern: re.Pattern[str]
    example: str = ""
    folders: re.Pattern[str] | None = None
    plate_in_name: bool = False
    anywhere: str = ""
    from_zero: bool = False

    def parse(self, path: str) -> dict[str, str] | None:
        """The groups of a file by its path with "/" below the given folder; None where the name
        does not fit this instrument."""
        *above, name = path.split("/")
        search = self.pattern.search if self.anywhere else self.pattern.fullmatch
        match = search(path if self.anywhere == "path" else name)
        if match is None:
            return None
        groups = {_GROUP_ALIASES.get(k, k): v for k, v in match.groupdict().items() if v}
        for folder in above if self.folders else ():
            inside = self.folders.fullmatch(folder)
            groups |= {k: v for k, v in inside.groupdict().items() if v} if inside else {}
        if self.from_zero:
            groups |= {name: str(int(groups[name]) + 1) for name in ("row", "column")}
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
        "r02c03f01p01-ch1sk1fk1fl1.tiff",
    ),
    Instrument(
        "Operetta (older) or Columbus",
        _names(
            r"(?P<row>\d{3})(?P<column>\d{3})-(?P<site>\d+)"
            rf"-(?P<time>\d{{3}})(?P<plane>\d{{3}})(?P<channel>\d{{3}}){_TIFF}"
        ),
        "002003-1-001001001.tif",
    ),
    Instrument(
        "Yokogawa CV7000 or CV8000",
        _names(
            r"(?:(?P<plate>.+)_)?(?P<well>[A-Z]{1,2}\d{2})_T(?P<time>\d+)F(?P<site>\d+)L\d+A\d+"
            rf"Z(?P<plane>\d+)(?P<channel>C\d+){_TIFF}"
        ),
        "Plate_B02_T0001F001L01A01Z01C01.tif",
    ),
    Instrument(
        "Yokogawa CV1000 or CQ1",
        _names(
            r"(?:(?P<plate>.+)[-_])?W(?P<well>\d+)F(?P<site>\d+)T(?P<time>\d+)Z(?P<plane>\d+)"
            rf"(?P<channel>C\d+){_TIFF}"
        ),
        "W12F001T0001Z01C1.tif",
    ),
    Instrument(
        "IN Cell Analyzer",
        _names(
            r"(?=(?:.* z (?P<plane>\d+))?)(?=(?:.* time (?P<time>\d+))?)"
            r"(?P<row>[A-Z]{1,2}) - (?P<column>\d+)\((?:fld|field) (?P<site>\d+)"
            rf"(?: (?:wv|wave) (?P<channel>.+?))?(?: (?:z|time) \d+(?: - [\d.]+ ?m?s)?)*\){_TIFF}"
        ),
        "B - 02(fld 1 wv DAPI - DAPI).tif",
    ),
    Instrument(
        "Incucyte",
        _names(
            r"(?P<plate>.+?)_(?:(?P<channel>phase|green|red|orange|blue|nir)_)?"
            r"(?P<well>[A-P]\d{1,2})_(?P<site>\d+)_"
            r"(?P<time>\d{4}y\d{2}m\d{2}d_\d{2}h\d{2}m|\d{2}d\d{2}h\d{2}m)"
            r"\.(?:tiff?|png|jpe?g)"
        ),
        "Exp_Phase_B2_1_00d04h00m.tif",
        plate_in_name=True,
    ),
    Instrument(
        "ImageXpress (also BBBC021 and Cell Painting)",
        _names(
            r"(?=.*_[sw]\d)(?:(?P<plate>.+?)_)??(?P<well>(?!(?-i:[sw]))[A-Z]{1,2}\d{1,2})"
            r"(?:_(?:s(?P<site>\d+)|z(?P<plane>\d+)|t(?P<time>\d+)"
            r"|(?P<channel>w\d+?)(?:[ _-]?(?![szt]\d|thumb)[A-Z][A-Z0-9 -]*?)?))+"
            rf"(?P<thumb>_thumb)?{_GUID}{_TIFF}"
        ),
        "scr_B02_s1_w1.tif",
        folders=_names(r"TimePoint_(?P<time>\d+)|ZStep_(?P<plane>\d+)"),
    ),
    Instrument(
        "ArrayScan, CellInsight (Cellomics) or EVOS",
        _names(
            r"(?:(?P<plate>.+?)_)?(?:p\d+_(?:z(?P<plane>\d+)_)?\d+_)?(?P<well>[A-Z]{1,2}\d{1,2})"
            r"f(?P<site>\d+)(?P<channel>d\d+)\.(?:tiff?|png|jpe?g)"
        ),
        "MFGTMP_140101_B02f00d0.TIF",
    ),
    Instrument(
        "BioTek Cytation",
        _names(
            r"(?:(?P<plate>.+?)_)??(?P<well>[A-Z]{1,2}\d{1,2})_-?\d+_\d+_(?P<site>\d+)"
            r"(?:Z(?P<plane>\d+))?_(?P<channel>[^_]*[A-Z][^_]*)_(?P<time>\d{3})"
            r"\.(?:tiff?|png|jpe?g)"
        ),
        "B2_1_1_1_DAPI_001.tif",
    ),
    Instrument(
        "Nikon NIS-Elements",
        _names(
            r"(?:(?P<plate>.+?)_+)??Well_?(?P<well>[A-Z]{1,2}\d{1,2})_Point_?[A-Z]*\d*_(?P<site>\d+)"
            r"(?=(?:.*_Z(?P<plane>\d+))?)(?=(?:.*_T(?P<time>\d+))?)"
            rf"_Channel_?(?P<channel>.+?)(?:_[ZT]\d+)*(?:_Seq_?\d+)?(?:_[ZT]\d+)*(?:\.ome)?{_TIFF}"
        ),
        "WellB02_PointB02_0000_ChannelDAPI_Seq0000.tif",
    ),
    Instrument(
        "Leica Matrix Screener",
        _names(
            r"image--L\d+--S\d+--U(?P<column>\d+)--V(?P<row>\d+)(?:--[JEO]\d+)*"
            r"--(?P<site>X\d+--Y\d+)(?:--T(?P<time>\d+))?(?:--Z(?P<plane>\d+))?"
            rf"--(?P<channel>C\d+)(?:\.ome)?{_TIFF}"
        ),
        "image--L0000--S00--U01--V02--J07--E00--O00--X00--Y01--T0000--Z00--C00.ome.tif",
        folders=_names(r"slide--S\d+|chamber--U\d+--V\d+|field--X\d+--Y\d+"),
        from_zero=True,
    ),
    Instrument(
        "Zeiss ZEN (scenes of a plate)",
        _names(
            r"(?P<plate>.+?)-Scene-\d+-P(?P<site>\d+)-(?P<well>[A-Z]{1,2}\d{1,2})(?:-\d+)?"
            r"(?=(?:.*?c(?P<channel>\d+))?)(?=(?:.*?z(?P<plane>\d+))?)(?=(?:.*?t(?P<time>\d+))?)"
            rf"(?:_?[stczm]\d+)*(?:_ORG)?{_TIFF}"
        ),
        "Exp-01-Scene-1-P1-B02-01_c1.tif",
    ),
    Instrument(
        "Olympus ScanR",
        _names(
            r"(?:(?P<plate>.+?)--)??(?P<well>[A-Z]{1,2}\d{1,2})--W\d+--P(?P<site>\d+)"
            rf"--Z(?P<plane>\d+)--T(?P<time>\d+)--(?P<channel>[^-]+){_TIFF}"
        ),
        "B02--W00014--P00001--Z00000--T00000--DAPI.tif",
    ),
    Instrument(
        "Acquifer",
        _names(
            r"(?:.*--?)?(?P<well>[A-Z]{1,2}\d{3})--PO(?P<site>\d+)--LO(?P<time>\d+)"
            rf"--(?P<channel>CO\d+)--SL(?P<plane>\d+)--.+{_TIFF}"
        ),
        "-B002--PO01--LO001--CO3--SL001--PX32500--WE00013.tif",
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
            f"--pattern {text} has no named groups, such as (?P<well>[A-P]\\d\\d)_(?P<site>\\d+)_"
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
