"""Making a study: a resumable working folder, then one rename into place. And checking one."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bnn_core
from bnn_core import study as study_format
from bnn_core.errors import InputError
from bnn_core.files import read_json, write_json
from bnn_core.levels import available_levels, level_metrics
from bnn_core.study import MAKING, ROLES, SCHEMA, Study, file_sizes, open_study, write_table

#: Folder of a study in the making that holds what only the making needs.
ADDING = "adding"


def open_making(
    out: Path, settings: Mapping[str, Any], *, force: bool = False, restart: bool = False
) -> Path:
    """The working folder `<out>.making` of a study with these settings, new or to be resumed.

    Raises InputError when `out` already holds a study (unless `force`), when the working folder
    was begun with other settings (unless `restart`), or when it cannot be written.
    """
    out = Path(out)
    demand_room(out, force)
    making = out.with_name(out.name + MAKING)
    begun = making / "settings.json"
    plain = {key: _plain(value) for key, value in settings.items()}
    if making.is_dir() and (restart or not begun.is_file()):
        shutil.rmtree(making)
    if begun.is_file():
        before = read_json(begun)
        changed = _changed(plain, before)
        if changed and not _worth_keeping(making):
            shutil.rmtree(making)
        elif changed:
            raise InputError(
                f"{making} was begun with other settings ({', '.join(changed)}); give the same "
                "again to resume, --restart to begin anew, or another --out"
            )
        else:
            return making
    try:
        making.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write {making}: {error.strerror}; choose another --out"
        ) from error
    write_json(begun, plain)
    return making


def _changed(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Names of the settings that differ, those within a group as "configs.vi.epochs"."""
    names = []
    for key in sorted(now.keys() | before):
        one, other = now.get(key), before.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            names += [f"{key}.{name}" for name in _changed(one, other)]
        elif one != other:
            names.append(key)
    return names


def demand_room(out: Path, force: bool) -> None:
    """InputError when `out` is no place for a new study: it holds one, unless `force`, or files."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder that does not exist yet")
    if (out / "study.json").is_file() and not force:
        raise InputError(f"study {out} exists already; --force re-makes it, --out names another")
    if out.is_dir() and not (out / "study.json").is_file() and any(out.iterdir()):
        raise InputError(f"--out {out} holds other files and no study; give an empty or new folder")


@contextmanager
def making_of(
    out: Path, settings: Mapping[str, Any], *, force: bool = False, restart: bool = False
) -> Iterator[Path]:
    """`open_making` for the time of a run that may find its input unusable.

    On an InputError (a wrong image size, a loss that is not finite) the working folder goes again
    when it holds nothing yet that a second run could resume.
    """
    making = open_making(out, settings, force=force, restart=restart)
    try:
        yield making
    except InputError:
        if not _worth_keeping(making):
            shutil.rmtree(making, ignore_errors=True)
        raise


def _worth_keeping(making: Path) -> bool:
    """Whether a working folder holds more than the settings that it was begun with."""
    return any(path.is_file() and path.name != "settings.json" for path in making.rglob("*"))


def finish_study(
    making: Path,
    *,
    title: str,
    kind: str,
    classes: list[str],
    images: pd.DataFrame,
    summaries: Mapping[str, pd.DataFrame],
    samples: Mapping[str, np.ndarray] | None = None,
    embedding: np.ndarray | None = None,
    thumbnails: Iterable[bytes | None] | None = None,
    methods: Mapping[str, Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write all tables into the working folder, study.json last, and swap it in as the study.

    `images` and every summary have the same rows in the same order. `samples` are (N, T, C) arrays.
    `methods` describes each method (num_samples and its training settings). `extra` adds keys to
    study.json (notes, channels, image_root, synthetic, ...). Returns the study's folder.
    """
    images = images.reset_index(drop=True)
    _demand_consistent(images, summaries, classes)
    try:
        write_table(making / "images.parquet", images)
        for method, summary in summaries.items():
            table = summary.reset_index(drop=True)
            if "image_id" not in table:
                table.insert(0, "image_id", images["image_id"])
            write_table(making / "summary" / f"{method}.parquet", table)
        for method, array in (samples or {}).items():
            (making / "samples").mkdir(exist_ok=True)
            np.save(making / "samples" / f"{method}.npy", np.asarray(array, dtype=np.float16))
        if embedding is not None:
            np.save(making / "embedding.npy", np.asarray(embedding, dtype=np.float16))
        if thumbnails is not None:
            study_format.pack_thumbnails(making, thumbnails)
        meta = {
            "schema": SCHEMA,
            "title": title,
            "kind": kind,
            "classes": list(classes),
            "methods": {m: dict((methods or {}).get(m, {})) for m in summaries},
            "rows": len(images),
            "roles": {role: int((images["role"] == role).sum()) for role in ROLES},
            "levels": available_levels(images),
            "metrics": {
                m: level_metrics(_joined(images, s), classes) for m, s in summaries.items()
            },
            "settings": {k: _plain(v) for k, v in (settings or {}).items()},
            "versions": versions(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "fingerprint": study_format.fingerprint(images),
            "synthetic": False,
            "notes": [],
        }
        meta |= {k: _plain(v) for k, v in (extra or {}).items()}
        working = _working_files(making)
        meta["files"] = {
            name: size for name, size in file_sizes(making).items() if making / name not in working
        }
        write_json(making / "study.json", meta)
        for path in working:
            path.unlink()
        shutil.rmtree(making / ADDING, ignore_errors=True)
        out = making.with_name(making.name.removesuffix(MAKING))
        _swap_in(making, out)
    except OSError as error:
        raise InputError(
            f"cannot write {making}: {error.strerror or error}; free some space or choose "
            "another --out, then run the same command again"
        ) from error
    return out


def write_study(out: Path, *, force: bool = False, **parts: Any) -> Path:
    """Make a study in one go from finished parts (see `finish_study`)."""
    out = Path(out)
    if (out.with_name(out.name + MAKING) / "folds").is_dir():
        raise InputError(
            f"an unfinished training lies in {out.name}{MAKING}; finish or delete it, or choose "
            "another --out"
        )
    making = open_making(out, parts.get("settings") or {}, force=force, restart=True)
    try:
        return finish_study(making, **parts)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


def versions() -> dict[str, str]:
    """Versions of what made a study."""
    found = {"bnn": bnn_core.__version__, "python": sys.version.split()[0], "numpy": np.__version__}
    torch = sys.modules.get("torch")
    return found | ({"torch": str(torch.__version__)} if torch else {})


def check_study(path: str | os.PathLike) -> list[str]:
    """Problems of a study, one line each; an empty list means that it is sound.

    Compares every file with its recorded size, every table with every other (rows, identities,
    classes), probabilities with their sum, and the scores with the formulas that made them.
    """
    study = open_study(path)
    problems = []
    for name, size in study.meta.get("files", {}).items():
        file = study.path / name
        if not file.is_file():
            problems.append(f"{name} is missing")
        elif file.stat().st_size != size:
            problems.append(f"{name} has {file.stat().st_size:,} bytes, {size:,} were written")
    try:
        images = study.images
        if len(images) != study.meta["rows"]:
            problems.append(
                f"images.parquet has {len(images):,} rows, study.json says {study.meta['rows']:,}"
            )
        if study_format.fingerprint(images) != study.fingerprint:
            problems.append("images.parquet does not match the fingerprint in study.json")
        for method in study.methods:
            problems += _check_summary(study, method)
        for name in ("embedding", "_thumbnail_offsets"):
            array = getattr(study, name)
            extra = name == "_thumbnail_offsets"
            if array is not None and len(array) != len(images) + extra:
                problems.append(
                    f"{name.strip('_')} has {len(array):,} rows for {len(images):,} images"
                )
    except InputError as error:
        problems.append(str(error))
    return problems


def _check_summary(study: Study, method: str) -> list[str]:
    summary = study.summary(method)
    where = f"summary/{method}.parquet"
    columns = [f"p_{name}" for name in study.classes]
    missing = [
        c for c in [*columns, "image_id", "predicted", "correct", "confidence"] if c not in summary
    ]
    if missing:
        return [f"{where} lacks the columns {', '.join(missing)}"]
    if list(summary["image_id"]) != list(study.images["image_id"]):
        return [f"{where} has other images, or another order, than images.parquet"]
    problems = []
    p = summary[columns].to_numpy(np.float64)
    bad = np.flatnonzero(~(np.abs(p.sum(axis=1) - 1) < 1e-3))
    if len(bad):
        problems.append(
            f"{where} row {bad[0]}: probabilities sum to {p[bad[0]].sum():.4f} "
            f"({len(bad):,} such rows)"
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
        if samples.shape[0] != len(summary) or samples.shape[2] != len(study.classes):
            problems.append(
                f"samples/{method}.npy has shape {samples.shape}, "
                f"({len(summary)}, T, {len(study.classes)}) expected"
            )
        else:
            # Rows that several folds predict (fold -1) have their mean over more networks than T.
            one_fold = np.flatnonzero(study.images["fold"] >= 0)
            rows = one_fold[np.linspace(0, len(one_fold) - 1, min(200, len(one_fold))).astype(int)]
            means = np.asarray(samples[rows], dtype=np.float64).mean(axis=1)
            if not np.allclose(means, p[rows], atol=5e-3):
                problems.append(f"samples/{method}.npy does not average to {where}")
    return problems


def _joined(images: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        [images, summary.reset_index(drop=True).drop(columns="image_id", errors="ignore")], axis=1
    )


def _demand_consistent(
    images: pd.DataFrame, summaries: Mapping[str, pd.DataFrame], classes: list[str]
) -> None:
    needed = [c for c in ("image_id", "label", "role", "fold") if c not in images]
    if needed:
        raise ValueError(f"images lack the columns {needed}")
    double = images["image_id"][images["image_id"].duplicated()]
    if len(double):
        raise InputError(
            f"image id '{double.iat[0]}' stands twice (row {double.index[0] + 1}); every "
            "image needs an id of its own"
        )
    unknown = set(images["role"]) - set(ROLES)
    if unknown:
        raise ValueError(f"unknown roles {unknown}")
    for method, summary in summaries.items():
        if len(summary) != len(images):
            raise ValueError(f"{method}: {len(summary)} rows for {len(images)} images")
        if any(f"p_{name}" not in summary for name in classes):
            raise ValueError(f"{method}: not every class has its p_ column")


def _working_files(making: Path) -> set[Path]:
    """What only the making needs: plans, checkpoints, and predictions that the tables now hold."""
    patterns = (
        "settings.json",
        "plan.json",
        "table.parquet",
        "folds/*/*/prediction.npz",
        "folds/*/*/samples.npy",
        "folds/*/*/training.pt",
        "**/.*.part",
        f"{ADDING}/*",
    )
    return {path for pattern in patterns for path in making.glob(pattern)}


def _swap_in(making: Path, out: Path) -> None:
    replaced = out.with_name(f".{out.name}.{os.getpid()}.replaced")
    if out.exists():
        os.rename(out, replaced)
    try:
        os.rename(making, out)
    except OSError:
        if replaced.exists():
            os.rename(replaced, out)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def _plain(value: Any) -> Any:
    """A value as JSON keeps it."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
