"""Packs the images of the benchmark `posterior.py` into one folder, ready for a machine with a GPU.

  python tests/benchmarks/posterior_data.py FOLDER screens 11 12 13 21 22 23
  python tests/benchmarks/posterior_data.py FOLDER fields PREPARED   # FOLDER/NAME.prepared
  python tests/benchmarks/posterior_data.py FOLDER mnist MNIST       # folder of the four idx files

A screen has 96 compounds in 12 mechanisms, six weeks, three plates a week, two sites a well and no
planted fault. Only labelled images are kept, as JPEG files of the quality that the demo is written
with. Fields of a prepared source are packed without loss.
"""

import argparse
import gzip
import io
import lzma
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bnn_core.datasets.demo.design import DemoDesign
from bnn_core.datasets.demo.synthetic_screen import generate_screen
from bnn_core.datasets.folds import grouped_folds

DESIGN = DemoDesign(
    compounds=96,
    weeks=6,
    sites=2,
    control_wells=1,
    mislabelled=0,
    inactive=0,
    well_swaps=0,
    mixed=0,
    blurred=0,
    empty=0,
    debris=0,
)
FOLDS = {"screen": 3, "fields": 6}
#: Mechanisms of each screen that no network is trained on.
UNSEEN = 2


def pack_screen(folder: Path, seed: int) -> None:
    """screen<seed>.npz: images, class numbers (-1 for an unseen mechanism), compounds, folds."""
    demo = generate_screen(seed, DESIGN)
    scored = (demo.table["role"] == "scored").to_numpy()
    table = demo.table[scored].reset_index(drop=True)
    images = normalised(demo.images, demo.table["plate"])[scored]
    rng = np.random.default_rng(seed)
    unseen = set(rng.choice(demo.classes, UNSEEN, replace=False))
    known = [name for name in demo.classes if name not in unseen]
    targets = pd.Index(known).get_indexer(table["label"])
    parts = grouped_folds(table[targets >= 0], FOLDS["screen"], seed)
    files = [_encoded(image, "jpeg", quality=90, subsampling=0, keep_rgb=True, optimize=True)
             for image in images]  # fmt: skip
    _save(folder / f"screen{seed}.npz", files, targets, table["compound"], parts)


def pack_fields(folder: Path, prepared: Path) -> None:
    """fields.npz from a prepared source of real fields (images.npy, table.parquet)."""
    table = pd.read_parquet(prepared / "table.parquet")
    images = np.load(prepared / "images.npy", mmap_mode="r")
    targets = pd.Index(sorted(table["label"].unique())).get_indexer(table["label"])
    files = [_encoded(image, "webp", lossless=True, quality=50, method=3) for image in images]
    parts = grouped_folds(table, FOLDS["fields"])
    _save(folder / "fields.npz", files, targets, table["group"], parts)


def pack_mnist(folder: Path, source: Path) -> None:
    """mnist.npz: labels, and the pixels as one compressed stream, of the four files."""
    arrays = {}
    for part, name in (("train", "train"), ("test", "t10k")):
        raw = gzip.decompress((source / f"{name}-images-idx3-ubyte.gz").read_bytes())
        arrays[f"{part}_images"] = np.frombuffer(lzma.compress(raw[16:]), np.uint8)
        raw = gzip.decompress((source / f"{name}-labels-idx1-ubyte.gz").read_bytes())
        arrays[f"{part}_targets"] = np.frombuffer(raw, np.uint8, offset=8)
    np.savez(folder / "mnist.npz", **arrays)


def normalised(images: np.ndarray, plates: pd.Series) -> np.ndarray:
    """uint8 images between the plate's percentiles 0.5 and 99.5 of each channel."""
    out = np.empty_like(images)
    for rows in plates.groupby(plates).indices.values():
        part = images[rows].astype(np.float32)
        low, high = np.percentile(part, [0.5, 99.5], axis=(0, 2, 3), keepdims=True)
        out[rows] = np.rint(255 * np.clip((part - low) / np.maximum(high - low, 1), 0, 1))
    return out


def _encoded(image: np.ndarray, kind: str, **options) -> bytes:
    """One file of an image (3, H, W)."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, kind, **options)
    return buffer.getvalue()


def _save(path: Path, files: list[bytes], targets: np.ndarray, groups: pd.Series, parts) -> None:
    """Encoded images one after another with their ends, and the fold of each row (-1: of none)."""
    fold = {name: k for k, part in enumerate(parts) for name in part}
    np.savez(
        path,
        bytes=np.frombuffer(b"".join(files), np.uint8),
        ends=np.cumsum([len(file) for file in files]),
        targets=targets.astype(np.int64),
        groups=groups.to_numpy(str),
        folds=groups.map(fold).fillna(-1).to_numpy(np.int64),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=("screens", "fields", "mnist"))
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for source in args.sources:
        if args.kind == "screens":
            pack_screen(args.folder, int(source))
        elif args.kind == "fields":
            pack_fields(args.folder, Path(source))
        else:
            pack_mnist(args.folder, Path(source))


if __name__ == "__main__":
    main()
