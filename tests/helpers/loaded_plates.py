"""A table or folder of images, read and prepared in one call."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from bnn_core.datasets.image_folders import FolderScan
from bnn_core.datasets.plate_options import PlateOptions
from bnn_core.datasets.plates import prepare_plates, read_plate
from bnn_core.datasets.preparation import ImageOptions
from bnn_core.datasets.sources import PlateSource


def load_plate(
    source: Path | FolderScan, folder: Path, *, workers: int | None = None, **options: Any
) -> PlateSource:
    """Read a table or folder of images into a source, prepared in `folder`.

    options: fields of `PlateOptions` and `ImageOptions`. Raises InputError as `read_plate` and
    `prepare_source`.
    """
    asked = {f.name: options.pop(f.name) for f in fields(PlateOptions) if f.name in options}
    plates = read_plate(source, **asked)
    return prepare_plates(plates, folder, ImageOptions(**options), workers=workers)
