"""Studies of cells: plan folds that leave compounds out, and assemble the finished folds.

A plan is written once; then each fold is a job (`plate_folds`, `bnn fold STUDY K`); when all folds
are finished, the study is assembled.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json, write_json
from bnn_core.base.methods import reading_method
from bnn_core.base.scores import TRAINING_MARGIN
from bnn_core.base.wording import count, have
from bnn_core.datasets.extra_rows import STORED, UNSEEN
from bnn_core.datasets.folds import Fold, description, fold_numbers, make_folds, unpredictable_rows
from bnn_core.datasets.sources import PlateSource, source_key
from bnn_core.images.statistics import intensity_statistics
from bnn_core.measures.levels import known_images
from bnn_core.measures.uncertainty import summarise
from bnn_core.measures.unlikeness import with_unlikeness
from bnn_core.networks import novelty
from bnn_core.networks.procedures import keep_calibration, method_record, training_order
from bnn_core.networks.saved import config_of
from bnn_core.networks.settings import TrainConfig, settings_of
from bnn_core.recipes import baselines
from bnn_core.recipes.adding_blocks import DEPLOY
from bnn_core.recipes.calibrating import calibrated, fold_temperatures
from bnn_core.recipes.deploying import ABOUT, train_on_source
from bnn_core.recipes.fold import FoldResult, assemble, read_result
from bnn_core.recipes.image_map import write_map
from bnn_core.recipes.plate_folds import PLAN, TABLE, Plan, missing_folds, read_plan
from bnn_core.recipes.workers import Cluster, run_once
from bnn_core.study.folder import fingerprint, write_table
from bnn_core.study.lock import MAKING, study_lock
from bnn_core.study.working_folder import open_making
from bnn_core.study.writing import finish_study

#: Numbers (rows times features) up to which a study of features has baselines.
MOST_FEATURES = 2_000_000
#: A study without networks keeps the samples of the method that counts, and of others up to so many.
FEW_SAMPLES = 10


def plan_plate_study(
    out: Path,
    source: PlateSource,
    parts: Sequence[tuple[str, ...]],
    configs: Mapping[str, TrainConfig],
    *,
    kind: str,
    title: str,
    num_samples: int | str = 100,
    sample_seed: int = 0,
    leave_batch_out: bool = False,
    keep_weights: bool = True,
    deploy: bool = False,
    without: Sequence[tuple[str, ...]] | None = None,
    settings: Mapping[str, object] | None = None,
    asked: Mapping[str, object] | None = None,
    extra: Mapping[str, object] | None = None,
    force: bool = False,
    restart: bool = False,
) -> Path:
    """Start a study of plate images, or find it started; returns its working folder with plan.json.

    source: the prepared images, in a separate folder that stays until the study is finished. parts:
    the groups that each fold holds out. without: further groups that it does not train on (see
    `folds.leave_label_out`). keep_weights: False gives a study small enough to pass on: without
    networks, so that it cannot predict more images, and with few samples (`FEW_SAMPLES`). deploy:
    train each method once more on all groups, for new plates. asked: how the images were to be
    read, so that other values are refused before reading (`working_folder.demand_same`).
    """
    plan = {
        "kind": kind,
        "title": title,
        "source": str(source.folder.resolve()),
        "parts": [list(part) for part in parts],
        "leave_batch_out": leave_batch_out,
        "without": without and [list(groups) for groups in without],
        "keep_weights": keep_weights,
        "deploy": deploy and keep_weights,
        "configs": {m: settings_of(c) for m, c in configs.items()},
        "num_samples": num_samples,
        "sample_seed": sample_seed,
        "extra": dict(extra or {}),
        "settings": dict(settings or {}),
        "asked": dict(asked or {}),
        "table": fingerprint(source.table),
        "channels": source.channels,
        "normalise": source.normalise,
    }
    # Both refuse what cannot be trained before anything is written.
    training_order(configs)
    folds = make_folds(source.table, list(parts), source.classes, leave_batch_out, without)
    if unpredictable_rows(source.table, folds)[(source.table["role"] == "scored").to_numpy()].all():
        raise InputError(
            "every fold is tested on labels absent from its training: all groups of a class are "
            "left out at once; name another --label, --group or --leave-out"
        )
    with study_lock(out):
        making = open_making(out, plan, force=force, restart=restart)
        plan["images"] = source_key(source.folder)
        source.keep_quarantine(making)
        if not (making / PLAN).is_file():
            write_table(making / TABLE, source.table)
            write_json(making / PLAN, plan)
        elif read_json(making / PLAN, Plan).get("images") != plan["images"]:
            # Prepared again from the same contents in the same way: files were touched or moved.
            write_json(making / PLAN, plan)
    return making


def assemble_study(making: Path, device: str = "cpu", cluster: Cluster | None = None) -> Path:
    """Put all folds of a planned study together; the networks for new plates are trained on
    `device`, or on a cluster, where they were planned.

    Raises InputError with the numbers of missing folds; TakenError while another process makes
    this study.
    """
    with study_lock(making.with_name(making.name.removesuffix(MAKING))):
        return _assemble_study(making, device, cluster)


def _fold_results(
    making: Path, method: str, config: Mapping[str, object], targets: np.ndarray
) -> list[FoldResult]:
    """What every fold left of a method, calibrated where its settings ask for that.

    targets: (N,) class numbers of the rows that count, else -1.
    """
    folders = sorted((making / "folds").glob(f"*/{method}"), key=lambda path: int(path.parent.name))
    results = [read_result(folder) for folder in folders]
    if config.get("calibrate", "none") == "none":
        return results
    temperatures = fold_temperatures(results, targets)
    for folder, temperature in zip(folders, temperatures, strict=True):
        keep_calibration(folder, temperature)
    return [calibrated(r, t, making) for r, t in zip(results, temperatures, strict=True)]


def _train_for_new_plates(making: Path, device: str) -> None:
    plan, source, folds = read_plan(making)
    configs = {m: TrainConfig(**c) for m, c in plan["configs"].items()}
    train_on_source(making / DEPLOY, source, configs, len(folds), device)


def _assemble_study(making: Path, device: str, cluster: Cluster | None) -> Path:
    plan, source, folds = read_plan(making)
    _demand_all_folds(making, len(folds))
    images = source.table.drop(columns=STORED, errors="ignore").assign(
        fold=fold_numbers(len(source.table), folds),
        unpredictable=unpredictable_rows(source.table, folds),
    )
    counted = np.where(images["unpredictable"], -1, source.targets())
    results = {
        m: assemble(_fold_results(making, m, config, counted), len(images), making)
        for m, config in plan["configs"].items()
    }
    if plan.get("deploy"):
        run_once(cluster, _train_for_new_plates, making, cluster.device if cluster else device)
    main = reading_method(results)
    _write_baselines_once(making, images, source, folds)
    source.keep_with_study(making)
    if not plan["keep_weights"]:
        _delete_networks(making)
    labels = images["label"].where(images["role"] == "scored").to_numpy(dtype=object)
    summaries = {m: _summary(r, source.classes, labels, images) for m, r in results.items()}
    write_map(making, images, source.classes, summaries[main], results[main].embedding)
    return finish_study(
        making,
        title=plan["title"],
        kind=plan["kind"],
        classes=source.classes,
        images=images,
        summaries=summaries,
        samples={
            m: r.samples
            for m, r in results.items()
            if r.samples is not None
            and (plan["keep_weights"] or m == main or r.samples.shape[1] <= FEW_SAMPLES)
        },
        embedding=results[main].embedding,
        thumbnails=source.thumbnails(),
        methods={
            m: method_record(
                m,
                config_of(plan["configs"][m]),
                [making / "folds" / str(f.index) / m for f in folds],
                r.samples.shape[1],
            )
            for m, r in results.items()
        },
        settings=plan["settings"] | {"leave_batch_out": plan["leave_batch_out"]},
        extra=_description(making, plan, source, folds, images) | {"embedding_of": main},
    )


def _demand_all_folds(making: Path, count: int) -> None:
    if missing := missing_folds(making):
        numbers = ", ".join(map(str, missing))
        raise InputError(
            f"{making}: {len(missing)} of {count} folds are missing ({numbers}); "
            "run them with 'bnn fold' or the same 'bnn study' command again"
        )


def _write_baselines_once(
    making: Path, images: pd.DataFrame, source: PlateSource, folds: Sequence[Fold]
) -> None:
    """Baselines of a study, where it has none and they are quick."""
    if (making / baselines.BASELINES_FILE).is_file() or _too_many(source):
        return
    baselines.write_baselines(
        making,
        images,
        source.classes,
        [(fold.train, fold.predict) for fold in folds],
        source_statistics(source),
        "intensities" if source.features is None else "features",
    )


def _delete_networks(making: Path) -> None:
    for name in ("weights.safetensors", novelty.NOVELTY_FILE):
        for file in making.glob(f"folds/**/{name}"):
            file.unlink()


def _description(
    making: Path, plan: Plan, source: PlateSource, folds: Sequence[Fold], images: pd.DataFrame
) -> dict[str, object]:
    """Keys of study.json: those of the plan and the images, notes, folds and seeds."""
    keys = source.study_keys()
    described = {
        **plan["extra"],
        **keys,
        "notes": [*plan["extra"].get("notes", []), *keys["notes"], *_warnings(folds, images)],
        "weights_kept": plan["keep_weights"],
        "folds": [
            {
                "held_out": list(f.held_out),
                "unpredictable": list(f.unpredictable),
                "training_images": len(f.train),
            }
            for f in folds
        ],
        "folds_digest": description(folds),
        "seeds": {
            "training": {m: c["seed"] for m, c in plan["configs"].items()},
            "samples": plan["sample_seed"],
        },
    }
    if plan.get("deploy"):
        described["deployed"] = read_json(making / DEPLOY / ABOUT)
    return described


def _too_many(source: PlateSource) -> bool:
    """Whether a logistic regression on the features of a source would take longer than networks."""
    return source.features is not None and source.images.size > MOST_FEATURES


def source_statistics(source: PlateSource, batch: int = 256) -> np.ndarray:
    """(N, F) `intensity_statistics` of all images of a source, read a few at a time; of features
    these themselves."""
    rows = np.arange(len(source.table))
    if source.features is not None:
        return source.pixels(rows).reshape(len(rows), -1)
    return np.concatenate(
        [intensity_statistics(source.pixels(part)) for part in np.split(rows, rows[batch::batch])]
    )


def _summary(
    result: FoldResult, classes: Sequence[str], labels: np.ndarray, images: pd.DataFrame
) -> pd.DataFrame:
    """`summarise` with unlikeness, and `TRAINING_MARGIN` where the folds kept margins: its mean over
    the folds that trained on the image, nan for an image outside of all training sets."""
    table = summarise(result.moments, classes, labels, result.novelty, result.used)
    table = with_unlikeness(table, known_images(pd.concat([images, table], axis=1)))
    if result.margins is None:
        return table
    return table.assign(**{TRAINING_MARGIN.key: result.margins})


def planned_warnings(making: Path) -> list[str]:
    """Notes of the study that a user should know before hours of training."""
    _, source, folds = read_plan(making)
    notes = list(source.notes)
    if len(source.quarantine):
        notes.append(f"the images left out are listed in {making / 'quarantine.csv'}")
    return notes + _warnings(
        folds, source.table.assign(unpredictable=unpredictable_rows(source.table, folds))
    )


def _warnings(folds: Sequence[Fold], images: pd.DataFrame) -> list[str]:
    unseen = images["group"].fillna("").astype(str).str.endswith(UNSEEN)
    new = (images["role"] == "new") & ~unseen
    copies = [
        f"{count(int(rows.sum()), 'row')} {have(int(rows.sum()))} a second copy of an image, "
        f"{how}; not counted for accuracy"
        for rows, how in (
            (unseen, "predicted by a network that saw no image of its label"),
            (images["role"] == "shifted", "damaged on purpose"),
        )
        if rows.any()
    ]
    if new.any():
        copies.append(
            f"{count(int(new.sum()), 'image')} {have(int(new.sum()))} a label that is not a class: not "
            "trained on, not counted for accuracy"
        )
    marked = set(images.loc[images["unpredictable"], "label"])
    if not marked:
        return copies
    n = int(images["unpredictable"].sum())
    classes = sorted({n for fold in folds for n in fold.unpredictable if n in marked})
    return [
        *copies,
        f"{count(n, 'image')} {have(n)} a label that the fold could not learn, because all "
        f"compounds with it were held out ({', '.join(classes)}): marked unpredictable and "
        "counted separately",
    ]
