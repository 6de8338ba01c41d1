"""Made-up BBBC021 images under the official file names: simple drawn cells, never shown as real."""

import functools
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

FULL_SIZE = (1024, 1280)
CHANNELS = ("DAPI", "Tubulin", "Actin")


def official(shared: Path, name: str) -> str:
    """One of the official tables, "image" or "moa", as text."""
    return gzip.decompress((shared / "bbbc021" / f"BBBC021_v1_{name}.csv.gz").read_bytes()).decode()


def image_table(shared: Path) -> pd.DataFrame:
    """The official image table, every cell as text."""
    return pd.read_csv(io.StringIO(official(shared, "image")), dtype=str, keep_default_na=False)


def reduced_table(images: pd.DataFrame, plates: list[str]) -> pd.DataFrame:
    """The official image table with one row per treatment and, of `plates`, one site of 20 wells.

    Of each plate: all doses of colchicine (where it lies there), two wells of DMSO, two of taxol.
    """
    compound = images["Image_Metadata_Compound"]
    rest = images[~images["Image_Metadata_Plate_DAPI"].isin(plates)]
    kept = [rest.drop_duplicates(["Image_Metadata_Compound", "Image_Metadata_Concentration"])]
    for plate in plates:
        mine = images[images["Image_Metadata_Plate_DAPI"] == plate]
        wells = mine.drop_duplicates("Image_Metadata_Well_DAPI")
        names = compound[wells.index]
        firsts = pd.concat(
            [wells[names == "colchicine"], wells[names == "DMSO"][:2], wells[names == "taxol"][:2]]
        )
        others = wells[~names.isin(["colchicine", "DMSO", "taxol"])]
        kept += [firsts, others[: 20 - len(firsts)]]
    return pd.concat(kept, ignore_index=True)


def write_metadata(root: Path, shared: Path, images: pd.DataFrame | None = None) -> None:
    """The two official tables, the first with other rows where `images` is given."""
    root.mkdir(parents=True, exist_ok=True)
    text = official(shared, "image") if images is None else images.to_csv(index=False)
    (root / "BBBC021_v1_image.csv").write_text(text)
    (root / "BBBC021_v1_moa.csv").write_text(official(shared, "moa"))


def files_of(row: pd.Series) -> list[str]:
    """The three files of a row of the image table, relative to the root."""
    return [f"{row[f'Image_PathName_{c}']}/{row[f'Image_FileName_{c}']}" for c in CHANNELS]


def cells(
    seed: int, channel: int, size: tuple[int, int] = FULL_SIZE, count: int = 30
) -> np.ndarray:
    """A 16-bit field (H, W) of round cells on noise; the seed places them alike in all channels."""
    rng = np.random.default_rng(seed)
    scale = size[0] / 1024
    field = np.random.default_rng([seed, channel]).integers(180, 260, size, dtype=np.uint16)
    radius = max(1, round((14, 40, 44)[channel] * scale))
    stamp = _disc(radius) * (1800, 900, 1200)[channel]
    for y, x in rng.uniform(0, 1, (count, 2)) * (np.array(size) - 2 * radius - 1):
        part = field[int(y) : int(y) + 2 * radius + 1, int(x) : int(x) + 2 * radius + 1]
        np.maximum(part, stamp + part, out=part, where=stamp > 0)
    return field


def tiff(image: np.ndarray) -> bytes:
    """The bytes of a one-channel TIFF as the set has them."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, image, photometric="minisblack", metadata=None)
    return buffer.getvalue()


def write_images(root: Path, rows: pd.DataFrame, size: tuple[int, int] = FULL_SIZE) -> None:
    """All files of these rows of the image table."""
    for seed, (_, row) in enumerate(rows.iterrows()):
        for channel, name in enumerate(files_of(row)):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(tiff(cells(seed, channel, size)))


def plate_archive(rows: pd.DataFrame, size: tuple[int, int] = (16, 20)) -> bytes:
    """A plate's zip as the server has it: <plate>/<file> for every file of these rows."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for seed, (_, row) in enumerate(rows.iterrows()):
            for channel, name in enumerate(files_of(row)):
                archive.writestr(name.split("/", 1)[1], tiff(cells(seed, channel, size, count=3)))
    return buffer.getvalue()


@functools.lru_cache
def _disc(radius: int) -> np.ndarray:
    rows, columns = np.indices((2 * radius + 1, 2 * radius + 1)) - radius
    return (np.hypot(rows, columns) <= radius).astype(np.uint16)
