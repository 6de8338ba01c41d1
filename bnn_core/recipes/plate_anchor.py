"""New plates scaled so that their untreated images are as bright as the untreated ones of the study."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from bnn_core.base.errors import InputError
from bnn_core.base.wording import listed
from bnn_core.datasets.plate_files import spread_evenly
from bnn_core.datasets.sources import file_columns
from bnn_core.images.plate_pixels import PlateJob, PlateReader, scan_plate
from bnn_core.study.folder import Study
from bnn_core.study.tables import TRAINED_LIMITS

#: Untreated images of the study that are read, spread evenly over its plates.
_MOST_IMAGES = 240


@dataclass(frozen=True)
class PlateAnchor:
    """How one new plate is scaled.

    levels: (C, 2), a dark and a bright percentile (`contrast.SHOWN_PERCENTILES`) of the study's
    untreated images on the scale of training, 0 black and 1 white. untreated: numbers of the
    untreated fields in the plate's job.
    """

    levels: np.ndarray
    untreated: np.ndarray

    def limits(self, job: PlateJob, shape: str, reader: PlateReader, bar: tqdm) -> np.ndarray:
        """(C, 2) intensities that become black and white.

        shape: of the plate's images. Raises InputError where no untreated image has it.
        """
        files = [job.files[i] for i in self.untreated]
        bar.total += len(files)
        part = PlateJob(job.plate, job.positions[self.untreated], files, "")
        scan = scan_plate(part, reader, None, bar)
        if shape not in scan.levels:
            raise InputError(
                f"--anchor controls: no untreated image of plate {_shown(job.plate)} can be used, the "
                f"first: {next(filter(None, scan.reasons), f'is not {shape}')}"
            )
        return anchored_limits(np.array(scan.levels[shape]["shown"]), self.levels)


def anchored_limits(percentiles: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(C, 2) black and white points with which the intensities `percentiles` (C, 2) become `levels`
    (C, 2), where black is 0 and white is 1."""
    width = np.diff(percentiles) / np.diff(levels)
    black = percentiles[:, :1] - levels[:, :1] * width
    return np.hstack([black, black + width])


def plate_anchors(
    study: Study, jobs: Sequence[PlateJob], untreated: np.ndarray
) -> dict[str, PlateAnchor]:
    """How each new plate is scaled; reads untreated images of the study.

    untreated: (N,) bool over the rows of the table. Raises InputError where a plate or the study has
    no untreated images, the study scales each image by itself, or its files are not there.
    """
    fields = {job.plate: np.flatnonzero(untreated[job.positions]) for job in jobs}
    without = [_shown(plate) for plate, numbers in fields.items() if not len(numbers)]
    if without:
        raise InputError(
            f"--anchor controls: no untreated images on plate {listed(without)}; name the untreated "
            "compound with --control NAME, or leave --anchor out"
        )
    levels = study_levels(study)
    return {plate: PlateAnchor(levels, numbers) for plate, numbers in fields.items()}


def study_levels(study: Study) -> np.ndarray:
    """(C, 2) percentiles of the untreated images on the scale of training: the median over plates.

    Raises InputError as `plate_anchors`.
    """
    if study.meta["normalise"] == "image":
        raise InputError(
            f"--anchor controls: study {study.name} scales each image by itself, so plates need no "
            "scaling; leave --anchor out"
        )
    images = study.images
    controls = images[images["role"] == "control"]
    if "source" in controls:
        controls = controls[controls["source"].isna()]
    if controls.empty:
        raise InputError(
            f"--anchor controls: study {study.name} has no untreated images; make it again with "
            "--control NAME, or leave --anchor out"
        )
    plates = controls["plate"].fillna("") if "plate" in controls else ""
    controls = controls.assign(plate=plates).sort_values("plate", kind="stable")
    controls = controls.iloc[spread_evenly(len(controls), _MOST_IMAGES)]
    reader = PlateReader(intensities=study.meta.get("intensities"))
    with tqdm(total=len(controls), desc="read untreated images", unit="image") as bar:
        levels = [
            _levels_of_plate(study, str(plate), rows, reader, bar)
            for plate, rows in controls.groupby("plate")
        ]
    return np.median(levels, axis=0)


def _levels_of_plate(
    study: Study, plate: str, rows: pd.DataFrame, reader: PlateReader, bar: tqdm
) -> np.ndarray:
    columns = file_columns(study.meta["channels"], rows)
    # A relative root is a folder of the study itself, as in `Study.image_file`.
    root = study.path / (study.meta.get("image_root") or ".")
    files: list[list[Path | None]] = [
        [root / file if isinstance(file, str) else None for file in row]
        for row in rows[columns].to_numpy(dtype=object)
    ]
    scan = scan_plate(PlateJob(plate, np.arange(len(files)), files, ""), reader, None, bar)
    if reason := next(filter(None, scan.reasons), None):
        raise InputError(
            f"--anchor controls reads the untreated images of study {study.name}, and {reason}; put "
            "the files back, or leave --anchor out"
        )
    contrast = study.contrast
    assert contrast is not None  # a study without it is refused before
    limits = contrast[contrast["plate"] == plate].set_index("channel")
    limits = limits.loc[study.meta["channels"], TRAINED_LIMITS].to_numpy()
    level = np.array(next(iter(scan.levels.values()))["shown"])
    return (level - limits[:, :1]) / np.diff(limits)


def _shown(plate: str) -> str:
    return plate or "(without a name)"
