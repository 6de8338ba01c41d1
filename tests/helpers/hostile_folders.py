"""More of what the program reads: microscopes' folders, plate maps, what the app and its commands keep.

`hostile_formats.formats` yields these too.
"""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import mutations as damage
import numpy as np
import pandas as pd
import pyarrow.feather
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.base.files import read_json
from bnn_core.datasets.features import read_features
from bnn_core.datasets.harmony_index import read_index
from bnn_core.datasets.image_folders import scan_folder
from bnn_core.datasets.plates import read_plate
from bnn_core.images.field_files import read_field_files
from bnn_core.images.ome_zarr import read_ome_zarr
from bnn_core.images.plate_pixels import Scan, ScanFile
from bnn_core.recipes.adding_blocks import block_file, block_rows, block_thumbnails, keep_rows
from bnn_core.recipes.jobs import JOBS_FOLDER, list_jobs
from bnn_core.recipes.plate_blocks import About
from bnn_core.review.saved_views import VIEWS_FILE, save_view, saved_views
from bnn_core.study import derived
from bnn_core.study.working_folder import ADDING
from bnn_core.tables.arrays import read_list
from bnn_core.tables.grids import read_plate_map
from bnn_core.tables.predictions import read_predictions
from bnn_core.tables.sources import ImportOptions

#: name, sound files, how they are damaged, what reads them.
Entry = tuple[str, list[Path], Callable[[bytes, random.Random], bytes], Callable[[Path], object]]

CLASSES = ["cat", "dog", "newt"]


def table_formats(folder: Path, wide: pd.DataFrame) -> Iterator[Entry]:
    """Tables and arrays of predictions, beside those of `hostile_formats`. wide: the sound table."""
    records = folder / "wide.json"
    wide.to_json(records, orient="records")
    yield "predictions json", [records], damage.damage_json, read_predictions
    feather = folder / "wide.feather"
    pyarrow.feather.write_feather(wide, feather)
    yield "predictions feather", [feather], damage.damage_feather, read_predictions
    values = wide[[f"p_{name}" for name in CLASSES]].to_numpy()
    np.save(folder / "values.npy", values)
    labels = folder / "labels.txt"
    labels.write_text("\n".join(wide["label"]))

    def with_labels(path: Path) -> None:
        read_predictions(
            folder / "values.npy", ImportOptions(labels=labels, classes=tuple(CLASSES))
        )

    yield "predictions npy", [folder / "values.npy"], damage.damage_array, with_labels
    yield "labels txt", [labels], damage.damage_text_table, with_labels
    lists = folder / "labels.npy"
    np.save(lists, wide["label"].to_numpy(dtype="U4"))
    yield "labels npy", [lists], damage.damage_array, read_list
    packed = folder / "values.npz"
    np.savez(packed, probs=values, labels=wide["label"].to_numpy(dtype="U4"), classes=CLASSES)
    yield "predictions npz", [packed], damage.damage_arrays, read_predictions
    base = folder / "base.csv"
    wide.to_csv(base, index=False)
    more = folder / "more.xlsx"
    wide[["image_id"]].assign(moa="x", replicate=range(len(wide))).to_excel(more, index=False)

    def joined(path: Path) -> None:
        read_predictions(base, ImportOptions(metadata=(path,)))

    yield "metadata xlsx", [more], damage.damage_workbook, joined


def plate_maps(folder: Path) -> Iterator[Entry]:
    """Plate maps as lists and drawn as plates."""
    wells = [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13)]
    long = pd.DataFrame({"well": wells, "compound": [f"c{i % 7}" for i in range(96)], "dose": 0.1})
    drawn = pd.DataFrame(
        [[f"c{(12 * i + j) % 7}" for j in range(12)] for i in range(8)],
        index=list("ABCDEFGH"),
        columns=range(1, 13),
    )
    files = [folder / "long.csv", folder / "drawn.csv", folder / "two.csv"]
    long.to_csv(files[0], index=False)
    drawn.to_csv(files[1], index_label="compound")
    text = files[1].read_text()
    files[2].write_text(f"{text}\n{text.replace('compound', 'concentration').replace('c', '0.')}")
    yield "plate map csv", files, damage.damage_text_table, read_plate_map
    sheets = folder / "drawn.xlsx"
    with pd.ExcelWriter(sheets) as writer:
        drawn.to_excel(writer, sheet_name="compound")
        drawn.replace(regex="c", value="0.").to_excel(writer, sheet_name="concentration")
    yield "plate map xlsx", [sheets], damage.damage_workbook, read_plate_map


INDEX = """<?xml version="1.0"?><EvaluationInputData xmlns="http://www.perkinelmer.com/PEHH/HarmonyV5">
<Plates><Plate><PlateID>P1</PlateID><Name>Screen</Name></Plate></Plates><Images>{}</Images>
</EvaluationInputData>"""


def instruments(folder: Path) -> Iterator[Entry]:
    """An index of Harmony, names of image files, and an OME-Zarr."""
    plate = folder / "phenix"
    plate.mkdir()
    entries = ""
    for well in range(1, 4):
        for channel, name in ((1, "DNA"), (2, "Actin")):
            file = f"r02c0{well}f01p01-ch{channel}sk1fk1fl1.tiff"
            Image.fromarray(np.full((8, 8), 40 * well, np.uint8)).save(plate / file)
            entries += f'<Image Version="1"><URL>{file}</URL><ChannelID>{channel}</ChannelID>'
            entries += f"<ChannelName>{name}</ChannelName></Image>"
    index = plate / "Index.xml"
    index.write_text(INDEX.format(entries))

    def of_index(path: Path) -> None:
        with suppress(InputError):
            read_index(path)
        scan_folder(plate).fields(None, None)

    yield "Index.xml", [index], damage.damage_xml, of_index
    names = folder / "names.txt"
    names.write_text(
        "\n".join(
            line
            for k in range(1, 4)
            for line in (
                f"P1/r02c{k:02d}f01p01-ch1sk1fk1fl1.tiff",
                f"P1/scr_B{k:02d}_s1_w1.tif",
                f"P1/TimePoint_1/B - {k:02d}(fld 1 wv DAPI - DAPI).tif",
                f"P2/Exp_Phase_B{k}_1_00d04h00m.tif",
                f"image--L0000--S00--U0{k}--V02--X00--Y01--T0000--Z00--C00.ome.tif",
            )
        )
    )

    def of_names(path: Path) -> None:
        below = folder / "named"
        try:
            for line in path.read_bytes().split(b"\n")[:200]:
                file = below / line.decode("utf-8", "surrogateescape").strip("/")
                if ".." not in file.parts:
                    with suppress(OSError, ValueError):
                        file.parent.mkdir(parents=True, exist_ok=True)
                        file.touch()
            scan_folder(below).fields("max", "1")
        finally:
            shutil.rmtree(below, ignore_errors=True)

    yield "names of images", [names], damage.damage_bytes, of_names
    try:
        import zarr
    except ImportError:
        return
    for zarr_format in (2, 3):
        yield _ome_zarr(zarr, folder / f"v{zarr_format}.zarr", zarr_format)


def _ome_zarr(zarr, path: Path, zarr_format: int) -> Entry:
    def group(where: Path, about: dict):
        about = {"ome": {"version": "0.5"} | about} if zarr_format == 3 else about
        return zarr.create_group(where, zarr_format=zarr_format, attributes=about)

    plate = {
        "name": "P1",
        "rows": [{"name": "A"}],
        "columns": [{"name": "1"}, {"name": "2"}],
        "wells": [{"path": f"A/{k}", "rowIndex": 0, "columnIndex": k - 1} for k in (1, 2)],
    }
    group(path, {"plate": plate})
    for k in ("1", "2"):
        group(path / "A" / k, {"well": {"images": [{"path": "0"}]}})
        axes = [{"name": a, "type": t} for a, t in (("c", "channel"), ("z", "space"))]
        axes += [{"name": a, "type": "space"} for a in "yx"]
        about = {
            "multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}],
            "omero": {"channels": [{"label": "DNA"}, {"label": "Actin"}]},
        }
        image = group(path / "A" / k / "0", about)
        data = np.random.default_rng(int(k)).integers(0, 900, (2, 2, 8, 8), np.uint16)
        image.create_array("0", shape=data.shape, dtype=data.dtype, chunks=data.shape)[:] = data
    files = sorted(file for file in path.rglob("*") if file.is_file())

    def method(data: bytes, chance: random.Random) -> bytes:
        return (damage.damage_json if data[:1] == b"{" else damage.damage_bytes)(data, chance)

    def read(_: Path) -> None:
        with suppress(InputError):
            read_ome_zarr(path / "A" / "1" / "0", "max")
        table = read_plate(path, to_learn=False, planes="max")
        read_field_files(table.files()[:1])

    return f"OME-Zarr {zarr_format}", files, method, read


def kept_by_the_app(folder: Path) -> Iterator[Entry]:
    """Saved views, the queue of jobs, tables for quick pages, measured features as an array."""
    save_view(folder, "mine", "overview", "study=bars&score=p")
    save_view(folder, "other", "plates", "study=bars&plate=P1")

    def views(path: Path) -> None:
        saved_views(folder)
        save_view(folder, "third", "plates", "x=1")

    yield "saved views", [folder / VIEWS_FILE], damage.damage_json, views
    job = folder / JOBS_FOLDER / "000001"
    job.mkdir(parents=True)
    about = {"words": ["study", "digits"], "study": "digits", "added": "2026-01-01T00:00:00+00:00"}
    (job / "job.json").write_text(json.dumps(about))
    (job / "ended.json").write_text('{"state": "failed"}')
    (job / "log.txt").write_text("folds:  50%|#####     | 3/6 [00:10<00:10]\rbnn: an error\n")
    jobs = [job / "job.json", job / "ended.json"]

    def listed(path: Path) -> None:
        for one in list_jobs(folder):
            one.progress()

    yield "job.json", jobs, damage.damage_json, listed
    yield "log of a job", [job / "log.txt"], damage.damage_bytes, listed
    meta = {"rows": derived.LARGE, "checksums": {"a": "b"}}
    sound = pd.DataFrame({"x": [1.5, float("nan")], "name": ["a", None], "k": [1, 2]})

    def of_derived(path: Path) -> None:
        table = derived.kept(folder, meta, "t", ["a"], sound.copy)
        assert len(table) == len(sound) and list(table) == list(sound)
        assert table["x"].iloc[0] == 1.5 and list(table["k"]) == [1, 2]

    of_derived(folder)
    kept = folder / derived.DERIVED_FOLDER / f"t{derived.SUFFIX}"
    yield "derived table", [kept], damage.damage_bytes, of_derived
    rows = folder / "rows.csv"
    n = 24
    compounds = [f"c{i % 4}" for i in range(n)]
    pd.DataFrame({"image_id": range(n), "label": ["ab"[i % 2] for i in range(n)]}).assign(
        compound=compounds
    ).to_csv(rows, index=False)
    array = folder / "features.npy"
    np.save(array, np.random.default_rng(5).normal(size=(n, 5)))

    def features(path: Path) -> None:
        read_features(array, metadata=rows, label="label", group="compound")

    yield "features npy", [array], damage.damage_array, features


class _Block:
    key = "000000"

    def __len__(self) -> int:
        return 3


def working_files(folder: Path) -> Iterator[Entry]:
    """What an interrupted run left of a plate: rows, thumbnails, what was said of it, its scan."""
    block = _Block()
    (folder / ADDING).mkdir()
    rows = pd.DataFrame({"image_id": ["a", "b", "c"], "plate": "P1", "content_hash": "0" * 16})
    keep_rows(folder, block, rows, [b"webp", None, b"webp"])
    about = block_file(folder, "about", block, "json")
    lost = {"file": "a.tif", "row": 2, "reason": "is damaged"}
    plate = {"plate": "P1", "notes": ["dark"], "quarantine": [lost], "contrast": [{"plate": "P1"}]}
    about.write_text(json.dumps(plate | {"places": [0, 1]}))
    scan = folder / "look.json"
    levels = {"2 x 8 x 8 uint16": {"limits": [[0.0, 9.0]], "threshold": [3.0]}}
    found = [["2 x 8 x 8 uint16", None], [None, "is damaged"], ["0" * 16, ""], [["dark"], []]]
    scan.write_text(json.dumps(Scan(*found, [[], [1]], levels)._asdict()))

    def read(_: Path) -> None:
        block_rows(folder, block)
        block_thumbnails(folder, block)

    kept = sorted(p for p in (folder / ADDING).iterdir() if p.suffix in (".parquet", ".npz"))
    tables, packed = ([p for p in kept if p.suffix == end] for end in (".parquet", ".npz"))
    yield "rows of a block", tables, damage.damage_parquet, read
    yield "thumbnails of a block", packed, damage.damage_arrays, read
    yield "about a plate", [about], damage.damage_json, lambda path: read_json(path, About)
    yield "scan of a plate", [scan], damage.damage_json, lambda path: read_json(path, ScanFile)
