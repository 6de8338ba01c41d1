"""Every file format that the program reads: sound small files, how to damage them, who reads them."""

import gzip
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import mutations as damage
import numpy as np
import pandas as pd
import tifffile
import torch
from hostile_folders import (
    instruments,
    kept_by_the_app,
    plate_maps,
    table_formats,
    working_files,
)
from PIL import Image
from small_studies import forget_files

from bnn_core.datasets.bbbc021 import read_field_table
from bnn_core.datasets.image_sets import open_image_set
from bnn_core.datasets.mnist import LabelledImages, read_idx
from bnn_core.datasets.plates import read_plate
from bnn_core.datasets.sources import open_source
from bnn_core.figures.report import report_html
from bnn_core.images.decoding import read_image
from bnn_core.networks.building import network_input
from bnn_core.networks.novelty import read_training_images
from bnn_core.networks.prediction import Embedded, predict_batches
from bnn_core.networks.procedures import networks_of
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.training import TrainingSet, train
from bnn_core.recipes.digits import DigitStudy, make_digit_study
from bnn_core.recipes.fold import read_result
from bnn_core.recipes.method_choice import MethodChoice
from bnn_core.recipes.plate_folds import read_plan
from bnn_core.review.corrected_labels import corrected_labels, read_corrections
from bnn_core.review.exporting import export_bytes, export_table
from bnn_core.review.importing import import_flags
from bnn_core.review.log import ReviewLog
from bnn_core.study.catalogue import list_studies
from bnn_core.study.checking import check_study
from bnn_core.study.describing import describe, method_settings, study_facts
from bnn_core.study.folder import open_study
from bnn_core.study.working_folder import open_making
from bnn_core.suspects.second_opinion import opinion, read_opinion, read_profiles, write_opinion
from bnn_core.tables.predictions import read_predictions
from bnn_core.tables.sources import ImportOptions

Damage = Callable[[bytes, random.Random], bytes]


@dataclass
class Format:
    """One format. files: sound files at their places, one of which is damaged at a time."""

    name: str
    files: list[Path]
    damage: Damage
    read: Callable[[Path], object]

    def __post_init__(self):
        self.sound = {path: path.read_bytes() for path in self.files}

    def try_case(self, number: int) -> None:
        """Damage one file as case `number` says, read it, put it back."""
        chance = random.Random(f"{self.name} {number}")
        path = chance.choice(self.files)
        path.write_bytes(self.damage(self.sound[path], chance))
        try:
            with redirect_stderr(io.StringIO()):
                self.read(path)
        finally:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.sound[path])


def formats(folder: Path) -> Iterator[Format]:
    """All formats, their sound files under `folder`."""
    own = (_tables, _images, _image_sets, _studies, _networks, _reviews, _features, _plates)
    for make in own:
        part = folder / make.__name__.strip("_")
        part.mkdir(parents=True)
        yield from make(part)
    for make in (plate_maps, instruments, kept_by_the_app, working_files):
        part = folder / make.__name__
        part.mkdir(parents=True)
        yield from (Format(*entry) for entry in make(part))


def _csv(path: Path, table: pd.DataFrame) -> Path:
    table.to_csv(path, index=False)
    return path


def _parquet(path: Path, table: pd.DataFrame) -> Path:
    table.to_parquet(path)
    return path


def _rows(n: int = 12) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"im{i}" for i in range(n)],
            "label": [("cat", "dog", "newt")[i % 3] for i in range(n)],
            "plate": [f"P{i % 2}" for i in range(n)],
            "well": [f"B{i % 6 + 1:02d}" for i in range(n)],
            "compound": [f"c{i % 4}" for i in range(n)],
            "concentration": [0.1 * (i % 3 + 1) for i in range(n)],
        }
    )


def _softmax(n: int = 12) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(3), n).round(6)


def _tables(folder: Path) -> Iterator[Format]:
    names = ["cat", "dog", "newt"]
    wide = pd.concat([_rows(), pd.DataFrame(_softmax(), columns=[f"p_{c}" for c in names])], axis=1)
    wide = wide[wide.columns[::-1]].assign(predicted=[names[k] for k in _softmax().argmax(1)])
    long = wide.melt(["image_id", "label"], [f"p_{c}" for c in names], "class", "probability")
    long["class"] = long["class"].str[2:]
    plain = [_csv(folder / "wide.csv", wide), _csv(folder / "long.csv", long)]
    yield Format("predictions csv", plain, damage.damage_text_table, read_predictions)
    packed = folder / "packed.csv.gz"
    packed.write_bytes(gzip.compress(plain[0].read_bytes()))
    yield Format("predictions csv.gz", [packed], _damage_packed_table, read_predictions)
    parquet = [_parquet(folder / "wide.parquet", wide), _parquet(folder / "long.parquet", long)]
    yield Format("predictions parquet", parquet, damage.damage_parquet, read_predictions)
    yield from (Format(*entry) for entry in table_formats(folder, wide))
    for kind in ("xlsx", "jsonl"):
        if (made := _other_table(folder / f"wide.{kind}", wide)) is not None:
            method = damage.damage_workbook if kind == "xlsx" else _damage_lines
            yield Format(f"predictions {kind}", [made], method, read_predictions)
    base = _csv(folder / "base.csv", wide)
    more = _csv(folder / "more.csv", _rows()[["image_id", "compound"]].assign(moa="x"))
    yield Format(
        "metadata csv",
        [more],
        damage.damage_text_table,
        lambda path: read_predictions(base, ImportOptions(metadata=(path,))),
    )
    samples = folder / "samples.npy"
    np.save(samples, np.random.default_rng(1).dirichlet(np.ones(3), (12, 4)))
    ids = _csv(folder / "ids.csv", _rows())
    options = {"classes": tuple(names), "axes": "NTC"}
    yield Format(
        "samples npy",
        [samples],
        damage.damage_array,
        lambda path: read_predictions(ids, ImportOptions(samples=path, **options)),
    )
    packed = folder / "samples.npz"
    np.savez(packed, samples=np.load(samples))
    yield Format(
        "samples npz",
        [packed],
        damage.damage_arrays,
        lambda path: read_predictions(ids, ImportOptions(samples=path, **options)),
    )


def _damage_packed_table(data: bytes, chance: random.Random) -> bytes:
    return damage.damage_packed(data, chance, damage.damage_text_table)


def _other_table(path: Path, table: pd.DataFrame) -> Path | None:
    """The table in a format that may not be supported; None where it is not."""
    try:
        if path.suffix == ".xlsx":
            table.to_excel(path, index=False)
        else:
            table.to_json(path, orient="records", lines=True)
        read_predictions(path)
    except Exception:
        return None
    return path


def _damage_lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines()
    for _ in range(chance.choice((1, 2))):
        row = chance.randrange(len(lines))
        lines[row] = damage.damage_json(lines[row], chance)
    return b"\n".join(lines)


def _images(folder: Path) -> Iterator[Format]:
    rng = np.random.default_rng(2)
    grey, colour = (
        rng.integers(0, 255, (20, 24), np.uint8),
        rng.integers(0, 255, (20, 24, 3), np.uint8),
    )
    deep = rng.integers(0, 4000, (20, 24), np.uint16)
    for name, picture in (
        ("grey.png", Image.fromarray(grey)),
        ("deep.png", Image.fromarray(deep)),
        ("colour.png", Image.fromarray(colour)),
        ("alpha.png", Image.fromarray(np.dstack([colour, grey]))),
        ("palette.png", Image.fromarray(colour).quantize(16)),
        ("grey.jpg", Image.fromarray(grey)),
        ("colour.jpg", Image.fromarray(colour)),
        ("colour.webp", Image.fromarray(colour)),
        ("colour.bmp", Image.fromarray(colour)),
    ):
        picture.save(folder / name)
    for suffix in ("png", "jpg", "webp", "bmp"):
        files = sorted(folder.glob(f"*.{suffix}"))
        method = damage.damage_png if suffix == "png" else damage.damage_bytes
        yield Format(f"image {suffix}", files, method, read_image)
    stack = rng.integers(0, 4000, (3, 20, 24), np.uint16)
    for name, array, options in (
        ("plain.tif", deep, {}),
        ("deflate.tif", deep, {"compression": "zlib"}),
        ("lzw.tif", deep, {"compression": "lzw", "predictor": True}),
        ("tiled.tif", deep, {"tile": (16, 16)}),
        ("rgb.tif", colour, {"photometric": "rgb"}),
        ("float.tif", deep.astype(np.float32), {}),
        ("big.tif", deep, {"bigtiff": True}),
        ("channels.ome.tif", stack, {"metadata": {"axes": "CYX"}}),
        ("imagej.tif", stack, {"imagej": True, "metadata": {"axes": "CYX"}}),
    ):
        tifffile.imwrite(folder / name, array, **options)
    yield Format("image tiff", sorted(folder.glob("*.tif")), damage.damage_bytes, read_image)


def _idx(array: np.ndarray) -> bytes:
    head = bytes((0, 0, 8, array.ndim)) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def _image_sets(folder: Path) -> Iterator[Format]:
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 255, (6, 8, 8)), rng.integers(0, 3, 6)
    for end, pack in (("", bytes), (".gz", gzip.compress)):
        files = [folder / f"a-images-idx3-ubyte{end}", folder / f"a-labels-idx1-ubyte{end}"]
        for file, array in zip(files, (images, labels), strict=True):
            file.write_bytes(pack(_idx(array)))

        def read(path: Path, first: Path = files[0]) -> None:
            read_idx(path)
            _read_set(first)

        method = damage.damage_packed if end else damage.damage_bytes
        yield Format(f"idx{end}", files, method, read)
    packed = folder / "set.npz"
    np.savez(packed, images=images.astype(np.uint8), labels=labels)
    floats = folder / "floats.npz"
    np.savez_compressed(
        floats, images=rng.random((6, 8, 8, 3), np.float32), labels=labels.astype(str)
    )
    yield Format("image set npz", [packed, floats], damage.damage_arrays, _read_set)


def _read_set(path: Path) -> None:
    scratch = path.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    images = open_image_set(str(path), scratch)
    for rows in range(0, min(len(images), 1000), 100):
        images.fitted(slice(rows, min(rows + 100, len(images))), (1, 8, 8))


def _bars(n: int, seed: int) -> LabelledImages:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, n)
    images = rng.integers(0, 60, (n, 1, 28, 28), dtype=np.uint8)
    images[np.arange(n), 0, 9 * targets] = 255
    return LabelledImages(images, targets)


CONFIGS = {
    "standard": TrainConfig(bayesian=False, epochs=1, validation=0.1),
    "vi": TrainConfig(epochs=1, validation=0.0),
    "dropout": TrainConfig(bayesian=False, epochs=1, dropout=0.1),
    "ensemble": TrainConfig(bayesian=False, epochs=1, members=2),
    "laplace": TrainConfig(bayesian=False, epochs=1),
    "temperature": TrainConfig(bayesian=False, epochs=1, validation=0.1),
}


def trained_study(folder: Path) -> Path:
    """A small study with all methods; trained once, a copy the next time."""
    made = folder.parents[1] / "trained"
    if not made.is_dir():
        _train_study(made)
    return Path(shutil.copytree(made, folder))


def _train_study(folder: Path) -> None:
    source = DigitStudy("digits", "Bars", list("012"), _bars(60, 0), _bars(12, 1))
    with redirect_stderr(io.StringIO()):
        make_digit_study(folder, source, MethodChoice(CONFIGS, num_samples=3), pool=4)


def use_study(path: Path) -> None:
    """What pages and commands read of a study."""
    check_study(path)
    study = open_study(path)
    describe(study), study_facts(study), method_settings(study)
    for method in study.methods:
        table = study.table(method)
        study.history(0, method)
        samples = study.samples(method)
        if samples is not None and len(samples):
            np.asarray(samples[0])
    for row in range(min(2, len(table))):
        study.thumbnail(row)
    study.embedding, study.truth, study.contrast, study.sample_size()
    export_table(study, ReviewLog(path.parent), rows=range(min(3, len(table))))


def _studies(folder: Path) -> Iterator[Format]:
    study = trained_study(folder / "bars")
    forget_files(study)
    opened = open_study(study)
    truth = pd.DataFrame([dict.fromkeys(
        ("kind", "level", "compound", "plate", "well", "image_id", "given", "true", "note"), "x"
    )]).assign(level="compound", concentration=1.0)  # fmt: skip
    _parquet(study / "truth.parquet", truth)
    contrast = pd.DataFrame({"plate": [""], "channel": ["grey"], "low": [0.0], "high": [9.0]})
    _parquet(study / "contrast.parquet", contrast)
    use_study(study)

    def listed(path: Path) -> None:
        assert len(list_studies(folder)) == 1
        use_study(study)

    yield Format("study.json", [study / "study.json"], damage.damage_json, listed)
    tables = sorted(study.rglob("*.parquet"))
    yield Format("study parquet", tables, damage.damage_parquet, lambda path: use_study(study))
    arrays = [*sorted((study / "samples").glob("vi.npy")), study / "embedding.npy"]
    yield Format("study npy", arrays, damage.damage_array, lambda path: use_study(study))
    thumbnails = [study / "thumbnails.npy"]
    yield Format("thumbnails npy", thumbnails, damage.damage_array, lambda path: use_study(study))
    histories = sorted(study.rglob("history.csv"))
    yield Format("history csv", histories, damage.damage_text_table, lambda path: use_study(study))
    yield Format(
        "report of study.json",
        [study / "study.json"],
        damage.damage_json,
        lambda path: report_html(open_study(study), ReviewLog(folder)),
    )
    assert len(opened.methods) == len(CONFIGS)
    making = open_making(folder / "begun", {"epochs": 3, "configs": {"vi": {"seed": 1}}})
    (making / "folds").mkdir()
    (making / "folds" / "kept").write_text("x")
    yield Format(
        "settings.json",
        [making / "settings.json"],
        damage.damage_json,
        lambda path: open_making(folder / "begun", {"epochs": 3, "configs": {"vi": {"seed": 1}}}),
    )


def _networks(folder: Path) -> Iterator[Format]:
    study = trained_study(folder / "bars")
    images = _bars(2, 2).images

    def predict(path: Path) -> None:
        for method in CONFIGS:
            inside = study / "folds/0" / method
            if inside in path.parents or (path.parent.name == "standard"):
                networks = networks_of(inside, 2, 0)
                for batch in predict_batches(networks, images, network_input):
                    assert np.isfinite(batch.moments.mean_p).all(), "a prediction is not finite"

    fold = study / "folds/0"
    weights = sorted(fold.rglob("weights.safetensors"))
    yield Format("weights safetensors", weights, _damage_weights, predict)
    configs = sorted(fold.rglob("config.json"))
    yield Format("config.json", configs, damage.damage_json, predict)
    clouds = sorted(fold.rglob("novelty.npz"))[:2]

    def distances(path: Path) -> None:
        known = read_training_images(path.parent)
        maps = len(known.textures.factor) if known.textures else 0
        sizes = known.cloud.means.shape[1], 3, maps
        known.measure(Embedded(*(np.zeros((2, size)) for size in sizes)))

    yield Format("novelty npz", clouds, damage.damage_arrays, distances)
    result = folder / "fold/vi"
    result.mkdir(parents=True)
    n = 5
    arrays = {
        "rows": np.arange(n),
        "mean_p": np.full((n, 3), 1 / 3),
        "mean_p2": np.full((n, 3), 1 / 9),
        "mean_entropy": np.ones(n),
        "embedding": np.zeros((n, 4), np.float16),
        "distance": np.ones(n),
    }
    np.savez(result / "prediction.npz", **arrays)
    np.save(result / "samples.npy", np.full((n, 2, 3), 1 / 3, np.float16))
    yield Format(
        "prediction npz",
        [result / "prediction.npz"],
        damage.damage_arrays,
        lambda path: read_result(result),
    )
    yield Format(
        "fold samples npy",
        [result / "samples.npy"],
        damage.damage_array,
        lambda path: read_result(result),
    )
    begun = folder / "begun/vi"
    config, data = TrainConfig(epochs=2, validation=0.0, batch_size=32), _training(32)
    stop = _Stop()
    with suppress(KeyboardInterrupt):
        train(begun, config, data, progress=stop)

    def resume(path: Path) -> None:
        copy = Path(shutil.copytree(begun, folder / "again"))
        try:
            train(copy, config, data)
        finally:
            shutil.rmtree(copy)

    yield Format("checkpoint", [begun / "training.pt"], _damage_checkpoint, resume)


def _training(n: int) -> TrainingSet:
    bars = _bars(n, 4)
    return TrainingSet(bars.images, bars.targets, 3)


class _Stop:
    def __call__(self, epoch, row):
        raise KeyboardInterrupt


def _damage_weights(data: bytes, chance: random.Random) -> bytes:
    """Safetensors with a damaged header, or with odd numbers in a tensor."""
    length = int.from_bytes(data[:8], "little")
    kind = chance.randrange(4)
    if kind == 0:
        return damage.damage_bytes(data, chance)
    if kind == 1:
        head = damage.damage_json(data[8 : 8 + length], chance)
        return len(head).to_bytes(8, "little") + head + data[8 + length :]
    out = bytearray(data)
    for _ in range(chance.choice((1, 5, 50))):
        place = 8 + length + 4 * chance.randrange((len(data) - 8 - length) // 4)
        odd = np.float32(chance.choice((np.nan, np.inf, -np.inf, 1e38, -1e38, 1e-40)))
        out[place : place + 4] = odd.tobytes()
    return bytes(out)


def _damage_checkpoint(data: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.6:
        return damage.damage_bytes(data, chance)
    state = torch.load(io.BytesIO(data), weights_only=True)
    key = chance.choice(list(state))
    state[key] = chance.choice((None, 5, "x", [], {}, state["network"], torch.zeros(3)))
    if chance.random() < 0.3:
        del state[key]
    out = io.BytesIO()
    torch.save(state, out)
    return out.getvalue()


def _reviews(folder: Path) -> Iterator[Format]:
    study = open_study(trained_study(folder / "bars"))
    log = ReviewLog(folder)
    for number, reviewer in enumerate(("Ann", "Bo", "Ann")):
        log.flag(
            study, [number, 5], reviewer=reviewer, reason="other", decision="keep", note="a, b"
        )
    log.flag(study, [2], reviewer="Bo", reason="other", decision="relabel", new_label="1")
    log.withdraw(study, [1], reviewer="Ann")
    log.undo(study, "Ann")
    list_csv, list_parquet = folder / "list.csv", folder / "list.parquet"
    list_csv.write_bytes(export_bytes(study, log))
    list_parquet.write_bytes(export_bytes(study, log, format="parquet"))

    def look(path: Path) -> None:
        for name in ("-wal", "-shm"):
            path.with_name(path.name + name).unlink(missing_ok=True)
        log.check()
        log.state(study), log.absent(study), log.last_action()
        history = log.history(study)
        log.history(study, "test-00002")
        log.undoable(study, "Ann"), log.redoable(study, "Ann")
        export_table(study, log), corrected_labels(study, log)
        assert history["undone"].dtype == bool
        log.flag(study, [3], reviewer="Cy", reason="other", decision="keep")

    def damaged(data: bytes, chance: random.Random) -> bytes:
        return damage.damage_database(data, chance, folder / "scratch.sqlite")

    log_file = folder / "reviews.sqlite"
    yield Format("review log", [log_file], damaged, look)
    empty = ReviewLog(folder / "elsewhere")
    readers = (
        ("review list", lambda path: import_flags(path, study, empty, "Ann")),
        ("corrections", lambda path: read_corrections(path, set(study.images["image_id"]), "012")),
    )
    for name, read in readers:
        yield Format(f"{name} csv", [list_csv], damage.damage_text_table, read)
        yield Format(f"{name} parquet", [list_parquet], damage.damage_parquet, read)


def _features(folder: Path) -> Iterator[Format]:
    rng = np.random.default_rng(5)
    table = _rows(24).assign(**{f"Cells_{k}": rng.normal(size=24).round(4) for k in range(4)})
    table.loc[::6, "compound"] = "DMSO"

    def read(path: Path) -> None:
        opinion(read_profiles(path), ["cat", "dog", "newt"])

    csv = _csv(folder / "wells.csv", table)
    yield Format("features csv", [csv], damage.damage_text_table, read)
    parquet = _parquet(folder / "wells.parquet", table)
    yield Format("features parquet", [parquet], damage.damage_parquet, read)
    study = folder / "study"
    study.mkdir()
    written = write_opinion(study, opinion(read_profiles(csv), ["cat", "dog", "newt"]), "wells")
    yield Format(
        "second opinion parquet", [written], damage.damage_parquet, lambda path: read_opinion(study)
    )


def _plates(folder: Path) -> Iterator[Format]:
    for i in range(12):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(folder / f"{i}.png")
    table = _rows().drop(columns="image_id").assign(path=[f"{i}.png" for i in range(12)])
    csv = _csv(folder / "fields.csv", table)
    yield Format("plate csv", [csv], damage.damage_text_table, read_plate)
    parquet = _parquet(folder / "fields.parquet", table)
    yield Format("plate parquet", [parquet], damage.damage_parquet, read_plate)
    bbbc = folder / "bbbc021"
    bbbc.mkdir()
    image = pd.DataFrame(
        [
            {
                "Image_Metadata_Plate_DAPI": "Week1_22123",
                "Image_Metadata_Well_DAPI": f"B{i + 2:02d}",
                "Replicate": 1,
                "Image_Metadata_Compound": ("DMSO", "taxol", "x")[i % 3],
                "Image_Metadata_Concentration": (0, 0.3, 1)[i % 3],
                **{
                    f"Image_{part}_{channel}": value
                    for k, channel in enumerate(("DAPI", "Tubulin", "Actin"))
                    for part, value in (
                        ("FileName", _bbbc_name(i, k)),
                        ("PathName", "Week1/Week1_22123"),
                    )
                },
            }
            for i in range(6)
        ]
    )
    moa = pd.DataFrame(
        [["taxol", 0.3, "stabilizers"], ["x", 1, "other"]],
        columns=["compound", "concentration", "moa"],
    )
    files = [
        _csv(bbbc / "BBBC021_v1_image.csv", image),
        _csv(bbbc / "BBBC021_v1_moa.csv", moa),
    ]
    read_field_table(bbbc)
    yield Format(
        "bbbc021 csv", files, damage.damage_text_table, lambda path: read_field_table(bbbc)
    )
    yield from _prepared(folder / "making")


def _bbbc_name(i: int, channel: int) -> str:
    digit = (1, 2, 4)[channel]
    return f"Week1_150607_B{i + 2:02d}_s1_w{digit}{'ABCDEF01-1111-2222-3333-444444444444'}.tif"


def _prepared(making: Path) -> Iterator[Format]:
    """A prepared source and a plan over it, as `bnn study plate --prepare-only` leaves them."""
    from bnn_core.commands.cli import main

    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        status = main(
            ["study", "plate", str(making.parent / "fields.csv"), "--label", "label", "--out",
             str(making), "--prepare-only", "--size", "8"]
        )  # fmt: skip
    work = making.with_name(making.name + ".making")
    assert status == 0 and work.is_dir()
    plan = json.loads((work / "plan.json").read_text())
    source = Path(plan["source"])
    yield Format("plan.json", [work / "plan.json"], damage.damage_json, lambda p: read_plan(work))
    yield Format(
        "plan table", [work / "table.parquet"], damage.damage_parquet, lambda p: read_plan(work)
    )

    def read(path: Path) -> None:
        opened = open_source(source)
        opened.study_keys(), opened.targets()
        list(opened.thumbnails())
        opened.pixels(np.array([0]))

    yield Format("source.json", [source / "source.json"], damage.damage_json, read)
    tables = sorted(source.glob("*.parquet"))
    yield Format("source parquet", tables, damage.damage_parquet, read)
    arrays = sorted(source.glob("*.npy"))
    yield Format("source npy", arrays, damage.damage_array, read)
