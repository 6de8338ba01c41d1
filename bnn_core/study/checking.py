"""Is a study whole and consistent?"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json
from bnn_core.study import derived
from bnn_core.study import folder as study_format
from bnn_core.study.checksums import (
    CHECKSUMS,
    STUDY_FILE,
    description_problem,
    of_file,
    of_files,
    write_description,
)
from bnn_core.study.description import read_description
from bnn_core.study.folder import Study, open_study
from bnn_core.study.lock import study_lock


def check_study(path: str | os.PathLike) -> list[str]:
    """Problems of a study, one line each; an empty list means that it is sound.

    Compares every file with its recorded size and checksum. Where these agree, it compares every
    table with every other (rows, identities, classes), probabilities with their sum, and the scores
    with the formulas that made them.
    """
    study = open_study(path)
    derived.forget(study.path)
    return damaged_files(study) or inconsistencies(study)


def demand_networks(study: Study) -> None:
    """InputError where a file of the trained networks is not as it was written."""
    problems = _damaged(study, ("folds/", "deploy/"))
    if problems:
        raise InputError(f"study {study.name}: {problems[0]}; restore it, or make the study again")


def damaged_files(study: Study) -> list[str]:
    """Files that are not as they were written, one line each."""
    changed = description_problem((study.path / STUDY_FILE).read_bytes(), study.meta)
    return ([changed] if changed else []) + _damaged(study)


def _damaged(study: Study, under: str | tuple[str, ...] = "") -> list[str]:
    problems = []
    known = study.meta[CHECKSUMS]
    for name, size in study.meta["files"].items():
        if not name.startswith(under):
            continue
        file = study.path / name
        try:
            if file.stat().st_size != size:
                problems.append(f"{name} has {file.stat().st_size:,} bytes, {size:,} were written")
            elif name in known and of_file(file) != known[name]:
                problems.append(f"{name} is damaged: its checksum differs")
        except FileNotFoundError:
            problems.append(f"{name} is missing")
        except OSError as error:
            problems.append(f"{name} cannot be read: {error.strerror or error}")
    return problems


def inconsistencies(study: Study) -> list[str]:
    """Tables and arrays of a study that cannot be read or contradict each other, one line each."""
    problems: list[str] = []
    checks: list[Callable[[Study], list[str]]] = [
        _check_images,
        *(partial(_check_summary, method=method) for method in study.methods),
        *(partial(_check_part, name=name) for name in ("embedding", "truth", "contrast")),
        _check_thumbnails,
        *(partial(_check_histories, method=method) for method in study.methods),
    ]
    for check in checks:
        try:
            problems += check(study)
        except InputError as error:
            problems.append(str(error))
    return list(dict.fromkeys(problems))


def _check_images(study: Study) -> list[str]:
    if study_format.fingerprint(study.images) != study.fingerprint:
        return ["images.parquet does not match the fingerprint in study.json"]
    return []


def _check_part(study: Study, name: str) -> list[str]:
    getattr(study, name)  # validated as it is read
    return []


def _check_thumbnails(study: Study) -> list[str]:
    first = next((row for row in range(len(study.images)) if study.has_thumbnail(row)), None)
    if first is not None:
        study.thumbnail(first)
    return []


def _check_histories(study: Study, method: str) -> list[str]:
    for fold in sorted({int(fold) for fold in study.images["fold"].dropna()}):
        study.history(fold, method)
    return []


def record_checksums(path: str | os.PathLike) -> int:
    """Record the files of a study as they are now; returns their number.

    For a study that was made before there were checksums, and after a change of study.json by hand
    (`image_root` of images that were moved). Raises InputError where the tables contradict each
    other, and TakenError while the study is being made.
    """
    study = open_study(path)
    with study_lock(study.path):
        derived.forget(study.path)
        written = read_json(study.path / STUDY_FILE)
        as_it_is = Study(study.path, study.meta | {"files": {}, CHECKSUMS: {}}, study.stamp)
        sizes = study_format.file_sizes(study.path)
        listed = study.meta["files"] or sizes
        problems = [f"{name} is missing" for name in listed if name not in sizes]
        problems += inconsistencies(as_it_is)
        if problems:
            raise InputError(f"study {study.path} cannot be recorded: " + "; ".join(problems))
        files = {name: sizes[name] for name in listed}
        sums = of_files(study.path, files)
        write_description(study.path, written | {"files": files, CHECKSUMS: sums})
    return len(files)


def record_file(folder: Path, name: str) -> None:
    """Record a file that was added to a finished study, or replaced in it, in its study.json.

    The caller holds the study's lock. A study.json that was changed by hand, or that is older than
    checksums, stays as it is.
    """
    text = (folder / STUDY_FILE).read_bytes()
    meta = read_description(folder)
    if not meta[CHECKSUMS] or description_problem(text, meta):
        return
    written = read_json(folder / STUDY_FILE)
    written["files"][name] = (folder / name).stat().st_size
    written[CHECKSUMS][name] = of_file(folder / name)
    write_description(folder, written)


def _check_summary(study: Study, method: str) -> list[str]:
    summary = study.summary(method)
    where = f"summary/{method}.parquet"
    columns = [f"p_{name}" for name in study.classes]
    if list(summary["image_id"]) != list(study.images["image_id"]):
        return [f"{where} has other images, or another order, than images.parquet"]
    problems = []
    p = summary[columns].to_numpy(np.float64)
    bad = np.flatnonzero(~(np.abs(p.sum(axis=1) - 1) < 1e-3))
    if len(bad):
        problems.append(
            f"{where} row {bad[0]}: probabilities sum to {p[bad[0]].sum():.4f} ({len(bad):,} such "
            "rows)"
        )
    top = p.max(axis=1)
    wrong = np.flatnonzero(
        np.abs(1 - 2 * np.sqrt(np.clip(top * (1 - top), 0, 1)) - summary["confidence"]) > 1e-3
    )
    if len(wrong):
        problems.append(
            f"{where} row {wrong[0]}: confidence does not follow from the mean softmax "
            f"({len(wrong):,} such rows)"
        )
    samples = study.samples(method)
    if samples is not None:
        # Rows that several folds predict (fold -1) have another mean in older studies.
        one_fold = np.flatnonzero(study.images["fold"] >= 0)
        rows = one_fold[np.linspace(0, len(one_fold) - 1, min(200, len(one_fold))).astype(int)]
        means = np.asarray(samples[rows], dtype=np.float64).mean(axis=1)
        if not np.allclose(means, p[rows], atol=5e-3):
            problems.append(f"samples/{method}.npy does not average to {where}")
    return problems
