"""New rows of measured features for a finished study: scaled as in training, predicted, added to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json
from bnn_core.base.wording import count
from bnn_core.datasets.features import FeatureTable, read_features
from bnn_core.recipes.adding import Addition, add_to_study, added_roles, demand_new, demand_set_name
from bnn_core.recipes.adding_blocks import DEPLOY, is_looked_at, keep_rows
from bnn_core.recipes.deploying import ABOUT, train_deployed_features
from bnn_core.recipes.plate_study import prepared_folder
from bnn_core.recipes.workers import Cluster, run_once
from bnn_core.study.folder import Study, content_hashes, open_study

ROWS_AT_A_TIME = 2000


def features_like(
    study: Study,
    table: Path,
    **asked: Any,
) -> FeatureTable:
    """The features of a study from another table, in the study's order and anchored as its own.

    asked: fields of `FeatureOptions`.

    Raises InputError as `read_features`, for a study that was not made from features, and for a
    feature that the table lacks.
    """
    names = study.meta.get("features")
    if not names:
        raise InputError(f"study {study.name} was not made from measured features")
    return read_features(
        table,
        **asked,
        anchor=study.meta.get("anchor") or "none",
        only=names,
        spread=study.meta.get("anchor_spread"),
    )


def predict_features(
    path: Path,
    features: FeatureTable | None,
    name: str,
    *,
    out: Path | None = None,
    role: str | None = None,
    deploy: bool = False,
    device: str = "cpu",
    cluster: Cluster | None = None,
    force: bool = False,
    restart: bool = False,
) -> Path:
    """Apply the study at `path` to rows of features and add them to it as the set `name`.

    features: as of `features_like`; None with `deploy` alone. A set that the study has already, with
    the same rows, is passed over. deploy: train each method once more on all compounds first, where
    the study has no such networks. The other arguments, the output and the errors are those of
    `adding.add_images`.
    """
    known = open_study(path)
    planned = None if features is None else plan_features(known, features, name, role)
    nothing_new = planned is None or not len(planned)
    if nothing_new and out is None and (not deploy or "deployed" in known.meta):
        return known.path
    digest = None if features is None else _digest(features)

    def addition(study: Study) -> Addition:
        def before(making: Path) -> None:
            if deploy:
                prepared, where = prepared_folder(study.path), cluster.device if cluster else device
                run_once(cluster, train_deployed_features, study, making, prepared, where)

        def finish(making: Path) -> dict[str, Any]:
            about = making / DEPLOY / ABOUT
            trained = {"deployed": read_json(about)} if about.is_file() else {}
            return _keys(study, rows, name, digest) | trained

        rows = None if features is None else plan_features(study, features, name, role)
        return Addition(
            {"role": role, "sets": [f"{name} {digest}"], "deploy": deploy},
            [] if rows is None or features is None else list(_blocks(rows, features.values)),
            looked_first=True,
            before=before,
            finish=finish,
        )

    return add_to_study(
        path,
        addition,
        out=out,
        device=device,
        cluster=cluster,
        force=force,
        restart=restart,
    )


def plan_features(
    study: Study, features: FeatureTable, name: str, role: str | None = None
) -> pd.DataFrame:
    """The rows that `predict_features` would add to the study as the set `name`, none where it has
    them already; the errors are its own."""
    demand_set_name(name)
    rows, digest = _rows(study, features, name, role), _digest(features)
    if any(e["name"] == name and e.get("rows") == digest for e in study.meta.get("added", [])):
        return rows[:0]
    demand_new(study, rows["image_id"])
    return rows


def _keys(study: Study, rows: pd.DataFrame | None, name: str, digest: str | None) -> dict[str, Any]:
    """Keys of study.json after the rows of a set were added, if any."""
    added = study.meta.get("added", [])
    if rows is None or not len(rows):
        return {"notes": [], "added": added}
    note = f"{count(len(rows), 'row')} of {name} added, not counted for accuracy"
    entry = {"name": name, "title": name, "images": len(rows), "rows": digest}
    return {"notes": [note], "added": [*added, entry]}


@dataclass(frozen=True)
class FeatureBlock:
    """Consecutive rows of a table of features, at most ROWS_AT_A_TIME. values: (n, F) float32."""

    rows: pd.DataFrame
    values: np.ndarray
    key: str

    def __len__(self) -> int:
        return len(self.rows)

    def look(self, making: Path) -> None:
        """Keep the rows; they have no pictures."""
        if not is_looked_at(making, self):
            keep_rows(making, self, self.rows, [None] * len(self))

    def pixels(self, making: Path, rows: np.ndarray) -> np.ndarray:
        """(n, 1, 1, F) float32."""
        return self.values[rows][:, None, None]

    def done(self, making: Path) -> None:
        """Nothing is left to remove."""


def _blocks(rows: pd.DataFrame, values: np.ndarray) -> Iterator[FeatureBlock]:
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        part = slice(start, start + ROWS_AT_A_TIME)
        yield FeatureBlock(
            rows.iloc[part].reset_index(drop=True), values[part], f"{start // ROWS_AT_A_TIME:05d}"
        )


def _rows(study: Study, features: FeatureTable, name: str, role: str | None) -> pd.DataFrame:
    """The rows as they are added; a control of the table is a control of the study."""
    table = features.table.drop(columns=[c for c in features.table if c.startswith("path")])
    roles = pd.Series(added_roles(study, table["label"], role), index=table.index)
    if role is None:
        roles = roles.mask(table["role"] == "control", "control")
    return table.assign(
        image_id=name + "/" + table["image_id"].astype(str),
        role=roles,
        group=table["group"].astype(object),
        source=name,
        content_hash=content_hashes(features.values),
    )


def _digest(features: FeatureTable) -> str:
    return short_digest(features.values, features.table.to_csv().encode())
