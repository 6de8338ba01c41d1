"""Two screens as whole studies: BBBC021, and the demo that is drawn by code."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bnn_core.datasets.bbbc021 import load_bbbc021, read_bbbc021
from bnn_core.datasets.demo.synthetic_screen import prepare_screen
from bnn_core.datasets.preparation import ImageOptions
from bnn_core.recipes.division import Division, RunOptions
from bnn_core.recipes.method_choice import MethodChoice
from bnn_core.recipes.plate_presets import PLATE_PRESETS
from bnn_core.recipes.plate_study import make_plate_study, prepared_folder
from bnn_core.recipes.rivals import with_rivals

#: Smaller networks than for real plates: the pictures are small, and the study should be small too.
#: The channels keep their intensities, because the batches of the demo differ little. float32, so
#: that the demo hardly depends on the processor.
_DRAWN = {"head_width": 256, "augmentation": "dihedral", "precision": "float32"}
#: Members of the ensemble: three, to be quick.
_MEMBERS = 3
_EPOCHS = {"quick": (8, 4), "default": (16, 10)}
DEMO_PRESETS = {
    name: with_rivals(
        {
            "standard": replace(PLATE_PRESETS["default"]["standard"], epochs=standard, **_DRAWN),
            "vi": replace(PLATE_PRESETS["default"]["vi"], epochs=vi, **_DRAWN),
        },
        _MEMBERS,
    )
    for name, (standard, vi) in _EPOCHS.items()
}


def make_demo_study(
    out: Path,
    choice: MethodChoice,
    division: Division,
    running: RunOptions,
    *,
    data_seed: int = 0,
    title: str | None = None,
    keep_weights: bool = False,
) -> Path:
    """The synthetic screen of one seed with its planted faults; see `make_plate_study`."""
    return make_plate_study(
        out,
        lambda: prepare_screen(prepared_folder(out), data_seed),
        choice,
        division,
        running,
        kind="demo",
        title=title or "A synthetic screen with planted faults",
        asked={"data_seed": data_seed},
        settings={"data_seed": data_seed},
        keep_weights=keep_weights,
    )


def make_bbbc021_study(
    out: Path,
    data: Path,
    choice: MethodChoice,
    division: Division,
    running: RunOptions,
    *,
    plates: Sequence[str] | None = None,
    everything: bool = False,
    taxol_seed: int = 0,
    scaling: ImageOptions,
    title: str | None = None,
) -> Path:
    """BBBC021 from the plates in the folder `data`, compounds left out; see `make_plate_study`.

    plates: their names, None for all that are there. everything: predict compounds without a label
    too. taxol_seed: of the taxol fields that count.
    """
    chosen = read_bbbc021(data, plates=plates, everything=everything, seed=taxol_seed)
    if division.folds not in (None, "each"):
        division.parts(chosen.table)
    return make_plate_study(
        out,
        lambda: load_bbbc021(chosen, prepared_folder(out), scaling),
        choice,
        division,
        running,
        kind="bbbc021",
        title=title or "BBBC021, compounds left out",
        size=scaling.size,
        asked={
            "plates": plates and ",".join(plates),
            "everything": everything,
            "taxol_seed": taxol_seed,
            "size": scaling.size,
        },
    )
