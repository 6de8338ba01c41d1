"""Probabilities as they come: checked row by row, logits turned, samples averaged."""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.roots import readable
from bnn_core.base.wording import count, have
from bnn_core.measures.uncertainty import Moments, moments
from bnn_core.tables.reading import rows_text

#: How far the probabilities of a row may be from summing to 1, as in rounded tables.
SUM_TOLERANCE = 0.01
_BATCH = 4_000_000


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    shifted = np.exp(np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def checked_probabilities(
    values: np.ndarray,
    rows: Sequence[int],
    columns: Sequence[str],
    *,
    logits: bool,
    where: str,
    lacking: str = "",
) -> tuple[np.ndarray, list[str]]:
    """Rows of probabilities (N, C) float64 that sum to 1, and notes on what was done to them.

    values: as read, nan where empty. rows: their numbers, for messages. logits: values are logits
    and are put through a softmax. lacking: what to say where rows sum to less than 1 and none to
    more. Rows that sum to 1 within 0.01 are scaled to 1 exactly.
    Raises InputError that lists every kind of problem with its rows.
    """
    rows = np.asarray(rows)
    problems = []

    def report(bad: np.ndarray, what: str) -> None:
        if bad.any():  # a row of many samples is named once
            problems.append(f"{rows_text(dict.fromkeys(rows[bad].tolist()))}: {what}")

    empty = np.isnan(values).any(axis=1)
    report(empty, "a probability is missing or nan")
    infinite = np.isinf(values).any(axis=1)
    report(infinite, "a value is infinite")
    sound = ~(empty | infinite)
    if logits:
        if problems:
            raise InputError(f"{where}{'; '.join(problems)}")
        return softmax(values), ["Logits were turned into probabilities by a softmax."]
    outside = sound & ((values < -1e-6) | (values > 1 + 1e-6)).any(axis=1)
    sums = values.sum(axis=1)
    percent = sound & (np.abs(sums - 100) < 1)
    if percent.any() and percent.sum() == sound.sum():
        raise InputError(
            f"{where}the columns {columns[0]} ... sum to 100 in every row; divide the "
            "percentages by 100"
        )
    if outside.any():
        row, column = np.argwhere((values < -1e-6) | (values > 1 + 1e-6))[0]
        report(
            outside,
            f"{columns[column]} is {values[row, column]:g}, a probability between 0 "
            "and 1 expected (for logits add --logits)",
        )
    off = sound & ~outside & (np.abs(sums - 1) > SUM_TOLERANCE)
    if off.any():
        few = f" ({lacking})" if lacking and (sums[off] < 1).all() and not outside.any() else ""
        report(off, f"the probabilities sum to {sums[np.flatnonzero(off)[0]]:.4g}, not to 1{few}")
    if problems:
        raise InputError(f"{where}{'; '.join(problems)}")
    notes = []
    scaled = np.abs(sums - 1) > 1e-6
    if (np.abs(sums - 1) > 1e-4).any():
        notes.append(
            f"{count(n := int(scaled.sum()), 'row')} {'was' if n == 1 else 'were'} "
            f"scaled to sum to 1 (off by up to {np.abs(sums - 1).max():.2g})."
        )
    p = np.clip(values, 0, 1)
    return np.where(scaled[:, None], p / p.sum(axis=1, keepdims=True), p), notes


def load_samples(path: Path) -> tuple[np.ndarray, list[str] | None, list[str] | None]:
    """Per-sample values from a .npy or .npz file: the array of three axes, class names, image ids.

    An .npz has one array of three axes, and may have lists called `classes` and `image_id`.
    Raises InputError for anything else.
    """
    try:
        loaded = np.load(readable(path), mmap_mode="r", allow_pickle=False)
        arrays = (
            {"": loaded}
            if isinstance(loaded, np.ndarray)
            else {name: loaded[name] for name in loaded.files}
        )
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} is no readable .npy or .npz array ({str(error).splitlines()[0]})"
        ) from error
    names, ids = (arrays.pop(name, None) for name in ("classes", "image_id"))
    cubes = {
        name: a for name, a in arrays.items() if a.ndim == 3 and a.size and a.dtype.kind in "fiu"
    }
    if len(cubes) != 1:
        shapes = ", ".join(f"{name or 'array'} {a.shape}" for name, a in arrays.items())
        raise InputError(
            f"{path}: one array of numbers with three axes (images, samples, classes) "
            f"expected, found {shapes or 'none'}"
        )
    return (
        next(iter(cubes.values())),
        *(None if given is None else [str(n) for n in given] for given in (names, ids)),
    )


def images_first(samples: np.ndarray, images: int, axes: str | None, path: Path) -> np.ndarray:
    """(N, T, C) from (N, T, C) or (T, N, C), told apart by the number of images.

    axes: "NTC" or "TNC" where the user says it. Raises InputError when neither fits or both do.
    """
    fits = {"NTC": samples.shape[0] == images, "TNC": samples.shape[1] == images}
    if axes is None:
        if not any(fits.values()):
            raise InputError(
                f"{path} has shape {samples.shape}, the table {images:,} rows; "
                "(images, samples, classes) or (samples, images, classes) expected"
            )
        if all(fits.values()):
            raise InputError(
                f"{path} has shape {samples.shape}: images or samples first? Give "
                "--axes NTC (images first) or TNC"
            )
        axes = "NTC" if fits["NTC"] else "TNC"
    elif not fits[axes]:
        raise InputError(
            f"{path} has shape {samples.shape}: --axes {axes} would make "
            f"{samples.shape[axes.index('N')]:,} images of it, the table has "
            f"{images:,} rows"
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
            f"{path} {rows_text(table.index[lost])}: image '{keys[lost].iloc[0]}' is "
            "not in the metadata table"
        )
    draw, draws = pd.factorize(sample, sort=True)
    double = pd.Series(image * (len(draws) + 1) + draw).duplicated().to_numpy()
    if double.any():
        raise InputError(
            f"{path} {rows_text(table.index[double])}: the same image and sample again"
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
        p, said = checked_probabilities(
            block.reshape(-1, classes),
            np.repeat(np.asarray(rows[start : start + step]), draws),
            columns,
            logits=logits,
            where=where,
            lacking=lacking,
        )
        notes = notes or said
        p = p.reshape(block.shape)
        kept[start : start + step] = p
        parts.append(moments(p.transpose(1, 0, 2)))
    return kept, Moments.concatenate(parts), notes
