"""study.json: what a study is and how it was made. The one place that says what may be in it."""

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, NotRequired, TypedDict

from bnn_core.base.errors import RESTORE, InputError
from bnn_core.base.files import read_json
from bnn_core.base.limits import LONGEST_NAME, MOST_ROWS
from bnn_core.base.schema import Rule, problem_of
from bnn_core.base.timing import parsed_time

STUDY_SCHEMA = 1


def _is_name(text: str) -> bool:
    """Whether a text can be the name of a file in the study's folder."""
    return not re.search(r"[/\\\x00-\x1f]|^\.|^$", text) and len(text.encode()) <= LONGEST_NAME


def _is_inside(text: str) -> bool:
    """Whether a text is a relative path that stays in the folder."""
    parts = PurePosixPath(text).parts
    return bool(parts) and not text.startswith("/") and ".." not in parts and "\\" not in text


def _distinct(values: list) -> bool:
    return len(set(values)) == len(values)


Name = Annotated[str, Rule("a text without '/' that is not a file of the study", _is_name)]
Count = Annotated[int, Rule("0 or more", lambda n: n >= 0)]
Positive = Annotated[float, Rule("a number above 0", lambda x: x > 0)]
Words = Annotated[str, Rule("a text", bool)]
Names = Annotated[
    list[Words],
    Rule("at least one name", bool),
    Rule("names that differ from each other", _distinct),
]


class Accuracy(TypedDict):
    """Accuracy at one level over the units that count, in [0, 1]; vote_: by votes of images."""

    n: Count
    right: Count
    accuracy: float
    unpredictable: NotRequired[Count]
    vote_right: NotRequired[Count]
    vote_accuracy: NotRequired[float]


class MethodSettings(TypedDict):
    """How one method was trained: what pages ask for; other settings may be added.

    num_samples: networks per image, None where unknown. seconds: part -> clock ("wall", "cpu") ->
    seconds. fitted: numbers fitted after training, one per fold.
    """

    num_samples: NotRequired[Annotated[int, Rule("1 or more", lambda n: n >= 1)] | None]
    bayesian: NotRequired[bool | None]
    prior: NotRequired[str | None]
    builds_on: NotRequired[str | None]
    seconds: NotRequired[dict[str, dict[str, float]] | None]
    fitted: NotRequired[dict[str, Annotated[list[float], Rule("numbers", bool)]] | None]


class FoldRecord(TypedDict):
    """One fold of a cross-validation: the groups held out, and those no fold can learn."""

    held_out: NotRequired[list[str | float]]
    unpredictable: NotRequired[list[str | float]]
    training_images: NotRequired[Count]


class Added(TypedDict):
    """One set of images that was added to a study."""

    name: str
    title: str
    images: Count


class Seeds(TypedDict):
    """Seeds of the training, by method, and of the drawn samples."""

    training: NotRequired[dict[str, int]]
    samples: NotRequired[Count]


class Versioned(TypedDict):
    """What every version of this program writes."""

    schema: int


class Description(Versioned):
    """The keys of study.json; a key that is absent or null has the value of ABSENT, if any.

    rows: images. roles: images of each role. levels: units that the study can be looked at in.
    metrics: method -> level -> accuracy. created: ISO 8601. fingerprint: of ids, contents and
    labels. image_root: folder of the original files; a relative one is inside the study.
    pixel_size_um: side of a pixel in micrometres. intensities: range that became 0 to 255.
    features: names of measured features, where the networks take these. anchor, anchor_spread: how
    they were scaled before (`datasets.anchoring`). files: name -> bytes. checksums: name -> BLAKE2b
    (`checksums`).
    """

    title: str
    kind: str
    classes: Names
    methods: Annotated[dict[Name, MethodSettings], Rule("at least one method", bool)]
    rows: Annotated[int, Rule(f"a number up to {MOST_ROWS:,}", lambda n: 0 <= n <= MOST_ROWS)]
    created: Annotated[
        str,
        Rule(
            "a time such as 2026-11-26T04:56:25+00:00", lambda text: parsed_time(text) is not None
        ),
    ]
    fingerprint: Words
    roles: NotRequired[dict[str, Count] | None]
    levels: NotRequired[list[str] | None]
    metrics: NotRequired[dict[str, dict[str, Accuracy]] | None]
    settings: NotRequired[dict[str, Any] | None]
    versions: NotRequired[dict[str, str] | None]
    synthetic: NotRequired[bool | None]
    notes: NotRequired[list[str] | None]
    channels: NotRequired[Names | None]
    image_root: NotRequired[str | None]
    pixel_size_um: NotRequired[Positive | None]
    normalise: NotRequired[str | None]
    intensities: NotRequired[
        Annotated[list[float], Rule("two numbers", lambda x: len(x) == 2)] | None
    ]
    training_size: NotRequired[list[Count] | None]
    quarantined: NotRequired[Count | None]
    weights_kept: NotRequired[bool | None]
    folds: NotRequired[list[FoldRecord] | None]
    added: NotRequired[list[Added] | None]
    seeds: NotRequired[Seeds | None]
    embedding_of: NotRequired[str | None]
    features: NotRequired[Names | None]
    anchor: NotRequired[str | None]
    anchor_spread: NotRequired[list[float] | None]
    columns: NotRequired[str | None]
    files: NotRequired[
        dict[Annotated[str, Rule("a path inside the study", _is_inside)], Count] | None
    ]
    checksums: NotRequired[dict[str, str] | None]


#: Values of keys that an older study lacks.
ABSENT: Mapping[str, Any] = {
    "roles": {},
    "levels": ["image"],
    "metrics": {},
    "settings": {},
    "versions": {},
    "synthetic": False,
    "notes": [],
    "folds": [],
    "added": [],
    "seeds": {},
    "files": {},
    "checksums": {},
}


def read_description(folder: Path) -> dict[str, Any]:
    """study.json of a study, with the values of ABSENT where it has none.

    Raises InputError where it is missing or malformed, a key has another type than `Description`
    says, or a newer version of this program wrote it.
    """
    path = folder / "study.json"
    meta = read_json(path, Versioned)
    if meta["schema"] > STUDY_SCHEMA:  # which may have other types
        raise InputError(
            f"study {folder} has schema {meta['schema']}, this program reads up to {STUDY_SCHEMA}: "
            "update the program"
        )
    if problem := problem_of(meta, Description):
        raise InputError(f"{path}: {problem}; {RESTORE}")
    return meta | {key: value for key, value in ABSENT.items() if meta.get(key) is None}


def stamp_of(path: Path) -> tuple[int, ...] | None:
    """Tells one making of a study from another; None where there is none."""
    try:
        status = os.stat(path / "study.json")
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)
