"""Per-sample probabilities (N images, T samples, C classes) from arrays and tables, and moments."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count, have
from bnn_core.measures.uncertainty import Moments, moments
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.arrays import load_arrays
from bnn_core.tables.class_columns import ClassColumns, find_class_columns
from bnn_core.tables.columns import map_columns
from bnn_core.tables.long_form import image_key
from bnn_core.tables.matching import image_positions
from bnn_core.tables.probabilities import checked_probabilities
from bnn_core.tables.reading import name_of, read_table, rows_text, to_numbers
from bnn_core.tables.sources import ClassValues, ImportOptions, SourceTable

SAMPLE = ("sample", "draw", "network", "mc_sample", "sample_id", "t")
_BATCH = 4_000_000


def read_samples(
    main: SourceTable, table_values: ClassValues | None, options: ImportOptions
) -> tuple[np.ndarray, ClassColumns]:
    """Samples (N, T, C) in the order of the table's rows, and what names their classes.

    Raises InputError when shapes, ids or classes do not fit the table, or when the samples do not
    average to the probabilities that the table itself gives.
    """
    path = name_of(options.samples)
    given = None if table_values is None else table_values.columns
    if isinstance(options.samples, np.ndarray) or path.suffix in (".npy", ".npz"):
        cube, names, ids = load_samples(options.samples)
        samples = images_first(cube, len(main.raw), options.axes, path)
        if ids is not None:
            samples = samples[_positions(ids, main, path)]
    else:
        samples, names = _sample_table(main, given, options)
    count = samples.shape[2]
    if names is None:
        names = list(given.names) if given else [str(k) for k in range(count)]
    if len(names) != count or (given and len(given.columns) != count):
        raise InputError(
            f"{path} has {count} classes, but "
            f"{len(names if len(names) != count else given.columns)} are named"
        )
    columns = given or ClassColumns(tuple(names), tuple(names), logits=False)
    if given and not options.logits:
        off = np.abs(np.asarray(samples, np.float64).mean(axis=1) - table_values.values) > 0.02
        if off.any():
            raise InputError(
                f"{path} does not average to the probabilities in {main.path}, "
                f"{rows_text(main.raw.index[off.any(axis=1)])}: check that its images are in the "
                "order of the rows and its classes in the order of the columns"
            )
    return samples, columns


def load_samples(
    source: Path | np.ndarray,
) -> tuple[np.ndarray, list[str] | None, list[str] | None]:
    """Per-sample values from an array or a .npy or .npz file: the array of three axes, class names,
    image ids.

    An .npz has one array of three axes, and may have lists called `classes` and `image_id`.
    Raises InputError for anything else.
    """
    path = name_of(source)
    arrays = {"": source} if isinstance(source, np.ndarray) else load_arrays(path)
    names, ids = (arrays.pop(name, None) for name in ("classes", "image_id"))
    cubes = {
        name: a for name, a in arrays.items() if a.ndim == 3 and a.size and a.dtype.kind in "fiu"
    }
    if len(cubes) != 1:
        shapes = ", ".join(f"{name or 'array'} {a.shape}" for name, a in arrays.items())
        raise InputError(
            f"{path} holds {shapes or 'no array'}; it needs exactly one array of numbers with three axes "
            "(images, samples, classes)"
        )
    classes, images = (
        None if given is None else [str(n) for n in given.ravel()] for given in (names, ids)
    )
    return next(iter(cubes.values())), classes, images


def images_first(samples: np.ndarray, images: int, axes: str | None, path: Path) -> np.ndarray:
    """(N, T, C) from (N, T, C) or (T, N, C), recognised by the number of images.

    axes: "NTC" or "TNC" if the user gives it. Raises InputError when neither fits or both do.
    """
    fits = {"NTC": samples.shape[0] == images, "TNC": samples.shape[1] == images}
    if axes is None:
        if not any(fits.values()):
            raise InputError(
                f"{path} has the shape {samples.shape} and the table has {images:,} rows; the array must be "
                "(images, samples, classes) or (samples, images, classes)"
            )
        if all(fits.values()):
            raise InputError(
                f"{path} has shape {samples.shape}: images or samples may come first; give --axes "
                "NTC (images first) or TNC"
            )
        axes = "NTC" if fits["NTC"] else "TNC"
    elif not fits[axes]:
        raise InputError(
            f"{path} has shape {samples.shape}: --axes {axes} would make "
            f"{samples.shape[axes.index('N')]:,} images of it, the table has {images:,} rows"
        )
    return samples if axes == "NTC" else samples.transpose(1, 0, 2)


def samples_from_table(
    table: pd.DataFrame,
    values: np.ndarray,
    keys: pd.Series,
    sample: pd.Series,
    images: pd.Series,
    path: Path,
) -> np.ndarray:
    """(N, T, C) from a table of one row per image and sample.

    values: (rows, C). keys: the image of each row; sample: its sample; images: the ids in order.
    Raises InputError naming rows of unknown images, doubles and images of too few samples.
    """
    image = pd.Index(images).get_indexer(keys)
    lost = image < 0
    if lost.any():
        raise InputError(
            f"{path} {rows_text(table.index[lost])}: image '{keys[lost].iloc[0]}' is not in the "
            "metadata table"
        )
    draw, draws = pd.factorize(sample, sort=True)
    double = pd.Series(image * (len(draws) + 1) + draw).duplicated().to_numpy()
    if double.any():
        raise InputError(
            f"{path} {rows_text(table.index[double])}: the same image and sample occurs more than once"
        )
    counts = np.bincount(image, minlength=len(images))
    short = counts < len(draws)
    if short.any():
        raise InputError(
            f"{path}: {count(n := int(short.sum()), 'image')} {have(n)} fewer than "
            f"{len(draws)} samples, the first is '{images[short].iloc[0]}'"
        )
    cube = np.empty((len(images), len(draws), values.shape[1]))
    cube[image, draw] = values
    return cube


def sample_moments(
    samples: np.ndarray,
    rows: Sequence[int],
    columns: Sequence[str],
    *,
    logits: bool,
    where: str,
    lacking: str = "",
) -> tuple[np.ndarray, Moments, list[str]]:
    """Checked samples (N, T, C) float16, their moments in float64, and notes.

    Each sample of each image is checked as in `checked_probabilities`; works in bounded memory.
    """
    n, draws, classes = samples.shape
    kept = np.empty(samples.shape, np.float16)
    parts, notes = [], []
    step = max(1, _BATCH // max(1, draws * classes))
    for start in range(0, n, step):
        block = np.asarray(samples[start : start + step], np.float64)
        p, remarks = checked_probabilities(
            block.reshape(-1, classes),
            np.repeat(np.asarray(rows[start : start + step]), draws),
            columns,
            logits=logits,
            where=where,
            lacking=lacking,
        )
        notes = notes or remarks
        p = p.reshape(block.shape)
        kept[start : start + step] = p
        parts.append(moments(p.transpose(1, 0, 2)))
    return kept, Moments.concatenate(parts), notes


def _positions(ids: list[str], main: SourceTable, path: Path) -> np.ndarray:
    """Position in `ids` of each row of the table."""
    key = image_key(main.mapped)
    if key is None:
        raise InputError(f"{path} has image_id, but the table {main.path} does not name its images")
    if len(set(ids)) < len(ids):
        raise InputError(f"{path}: an image occurs twice in image_id")
    rows, _ = image_positions(key, ids)
    if (rows < 0).any():
        lost = key.index[rows < 0]
        raise InputError(
            f"{path} lacks images of {main.path}: {rows_text(lost)} there, the first is "
            f"'{key[lost[0]]}'"
        )
    return rows


def _sample_table(
    main: SourceTable, given: ClassColumns | None, options: ImportOptions
) -> tuple[np.ndarray, list[str]]:
    """Samples from a table of one row per image and sample."""
    path = Path(options.samples)
    table = read_table(path)
    mapped, mapping = map_columns(table)
    sample = next((c for c in table.columns if plain_name(c) in SAMPLE), None)
    known = [*options.classes, *(given.names if given else ())]
    columns = find_class_columns(table, mapping.unused, known, options.prefix)
    keys, ids = image_key(mapped), image_key(main.mapped)
    if sample is None or columns is None or keys is None or ids is None:
        raise InputError(
            f"{path} does not give one row per image and sample; it needs columns image_id (or path), "
            "sample and class probabilities, and the same ids as the table"
        )
    values = to_numbers(table, list(columns.columns), path)
    return (samples_from_table(table, values, keys, table[sample], ids, path), list(columns.names))
