"""Writing a study: all tables into the working folder, study.json last, then into place."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bnn_core
from bnn_core.base.array_files import write_array
from bnn_core.base.errors import InputError
from bnn_core.base.files import unwritable
from bnn_core.measures.levels import available_levels, level_metrics
from bnn_core.study import checksums, derived
from bnn_core.study import folder as study_format
from bnn_core.study.description import STUDY_SCHEMA
from bnn_core.study.folder import ROLES, file_sizes, write_table
from bnn_core.study.lock import MAKING, study_lock, swap_in
from bnn_core.study.working_folder import (
    ADDING,
    as_json,
    working_files,
)


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
        with ThreadPoolExecutor() as pool:  # Arrow and the checksums leave the interpreter
            writing = [pool.submit(write_table, making / "images.parquet", images)]
            for method, summary in summaries.items():
                table = summary.reset_index(drop=True)
                if "image_id" not in table:
                    table.insert(0, "image_id", images["image_id"])
                file = making / "summary" / f"{method}.parquet"
                writing.append(pool.submit(write_table, file, table))
            metrics = {m: level_metrics(_joined(images, s), classes) for m, s in summaries.items()}
            fingerprint = study_format.fingerprint(images)
            for written in writing:
                written.result()
        for method, array in (samples or {}).items():
            write_array(making / "samples" / f"{method}.npy", np.asarray(array, dtype=np.float16))
        if embedding is not None:
            write_array(making / "embedding.npy", np.asarray(embedding, dtype=np.float16))
        if thumbnails is not None:
            study_format.pack_thumbnails(making, thumbnails)
        meta = {
            "schema": STUDY_SCHEMA,
            "title": title,
            "kind": kind,
            "classes": list(classes),
            "methods": {m: dict((methods or {}).get(m, {})) for m in summaries},
            "rows": len(images),
            "roles": {role: int((images["role"] == role).sum()) for role in ROLES},
            "levels": available_levels(images),
            "metrics": metrics,
            "settings": {k: as_json(v) for k, v in (settings or {}).items()},
            "versions": versions(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "fingerprint": fingerprint,
            "synthetic": False,
            "notes": [],
        }
        meta |= {k: as_json(v) for k, v in (extra or {}).items()}
        derived.forget(making)
        working = working_files(making)
        meta["files"] = {
            name: size for name, size in file_sizes(making).items() if making / name not in working
        }
        meta[checksums.CHECKSUMS] = checksums.of_files(making, meta["files"])
        checksums.write_description(making, meta)
        out = making.with_name(making.name.removesuffix(MAKING))
        with study_lock(out):
            swap_in(making, out)
            # Only now: a run killed before this line can still be resumed.
            for path in working:
                (out / path.relative_to(making)).unlink(missing_ok=True)
            shutil.rmtree(out / ADDING, ignore_errors=True)
    except OSError as error:
        again = "choose another --out, then run the same command again"
        raise unwritable(error, making, again) from error
    return out


def versions() -> dict[str, str]:
    """Versions of what made a study."""
    packages = {
        "bnn": bnn_core.__version__,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
    }
    torch = sys.modules.get("torch")
    return packages | ({"torch": str(torch.__version__)} if torch else {})


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
    if not images["image_id"].is_unique:
        double = images["image_id"][images["image_id"].duplicated()]
        raise InputError(
            f"image id '{double.iat[0]}' occurs twice (row {double.index[0] + 1}); every image "
            "needs a different id"
        )
    unknown = set(images["role"].unique()) - set(ROLES)
    if unknown:
        raise ValueError(f"unknown roles {unknown}")
    for method, summary in summaries.items():
        if len(summary) != len(images):
            raise ValueError(f"{method}: {len(summary)} rows for {len(images)} images")
        if any(f"p_{name}" not in summary for name in classes):
            raise ValueError(f"{method}: not every class has its p_ column")
