"""Blocks of a set of images that are as the networks take them: a folder, an .npz, idx files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.digests import short_digest
from bnn_core.datasets.image_sets import ImageSet
from bnn_core.images.decoding import read_bytes
from bnn_core.images.rendering import channel_colours, default_channels, thumbnail
from bnn_core.recipes.adding_blocks import is_looked_at, keep_rows
from bnn_core.study.folder import content_hashes

IMAGES_AT_A_TIME = 2000


@dataclass(frozen=True)
class ImageSetBlock:
    """Consecutive images of one set, at most IMAGES_AT_A_TIME.

    start: the first of them in the set. rows: as `keep_rows`, without hashes. shape: of the images
    that the networks take (channels, H, W). of_files: whether hashes are those of the files' bytes
    where there are files, as in studies of plates.
    """

    images: ImageSet
    start: int
    rows: pd.DataFrame
    shape: tuple[int, int, int]
    channels: Sequence[str] | None
    of_files: bool
    key: str

    def __len__(self) -> int:
        return len(self.rows)

    def look(self, making: Path) -> None:
        """Hashes and thumbnails. Raises InputError for an image that does not fit the networks."""
        if is_looked_at(making, self):
            return
        images = self.images.fitted(slice(self.start, self.start + len(self)), self.shape)
        files = self.rows["path"] if self.of_files and self.images.files is not None else None
        hashes = (
            content_hashes(images)
            if files is None
            else [short_digest(read_bytes(file)) for file in files]
        )
        colours = channel_colours(self.channels or default_channels(self.shape[0]))
        pictures = [_thumbnail(image, colours) for image in images]
        keep_rows(making, self, self.rows.assign(content_hash=hashes), pictures)

    def pixels(self, making: Path, rows: np.ndarray) -> np.ndarray:
        """(n, *shape) uint8."""
        first, last = int(rows[0]), int(rows[-1]) + 1
        images = self.images.fitted(slice(self.start + first, self.start + last), self.shape)
        return images[rows - first]

    def done(self, making: Path) -> None:
        """Nothing is left to remove."""


def image_set_blocks(
    images: ImageSet,
    rows: pd.DataFrame,
    shape: tuple[int, int, int],
    channels: Sequence[str] | None,
    of_files: bool,
    number: int,
) -> Iterator[ImageSetBlock]:
    """The blocks of a set whose rows are `rows`. number: of the set, for their keys."""
    for start in range(0, len(images), IMAGES_AT_A_TIME):
        some = rows.iloc[start : start + IMAGES_AT_A_TIME].reset_index(drop=True)
        key = f"{number:03d}-{start // IMAGES_AT_A_TIME:05d}"
        yield ImageSetBlock(images, start, some, shape, channels, of_files, key)


def _thumbnail(image: np.ndarray, colours: Sequence[str]) -> bytes:
    if len(image) == 1:
        from bnn_core.recipes.digits import lossless_thumbnail

        return lossless_thumbnail(image[0])
    return thumbnail(image.astype(np.float32) / 255, colours)
