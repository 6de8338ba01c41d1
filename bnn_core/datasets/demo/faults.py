"""Plants errors in a faultless screen and writes down the truth about each.

A fault of labels changes what a well says or what it shows; a fault of images (blur, emptiness,
dirt) is only marked here and drawn with the field.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.datasets.demo.design import DemoDesign, Layout
from bnn_core.datasets.demo.phenotypes import FAINT_MECHANISM
from bnn_core.study.tables import TRUTH_TYPES

NO_EFFECT = "no visible effect"
"""The truth about an inactive dose: its mechanism is right, but there is nothing to see of it."""

TRUTH_COLUMNS = list(TRUTH_TYPES)
IMAGE_FAULTS = ("out of focus", "empty", "debris")


def plant_in_wells(design: DemoDesign, layout: Layout, rng: np.random.Generator) -> pd.DataFrame:
    """Changes `layout.wells` in place; returns the truth, one row per faulty thing.

    Columns `TRUTH_COLUMNS`; `level` says which key columns identify the thing: "compound",
    "treatment" (compound and concentration), "replicate" (compound on one plate) or "well" (plate
    and well). The other keys are null.
    """
    rows: list[dict] = []
    rows += _mark_inactive(layout)
    rows += _mislabel(layout, rng)
    rows += _mix(layout, rng)
    touched = set(layout.compounds.loc[layout.compounds["fault"] != "", "compound"])
    for _ in range(design.replicate_swaps):
        rows += _swap_on_one_plate(layout, touched, rng)
    for _ in range(design.well_swaps):
        rows += _swap_wells(layout, touched, rng)
    return pd.DataFrame(rows, columns=TRUTH_COLUMNS)


def plant_in_images(
    design: DemoDesign, images: pd.DataFrame, truth: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.Series, pd.DataFrame]:
    """Chooses scored images without another fault to damage: (fault of each image, truth)."""
    free = images[images["role"] == "scored"]
    free = free[~free["compound"].isin(set(truth["compound"].dropna()))]
    fault = pd.Series("", index=images.index)
    wanted = dict(zip(IMAGE_FAULTS, (design.blurred, design.empty, design.debris), strict=True))
    if sum(wanted.values()) > len(free):
        raise InputError(
            f"{sum(wanted.values())} images are to be damaged, but only {len(free)} scored ones "
            "are free of other faults"
        )
    chosen = iter(rng.permutation(free.index))
    rows = []
    for kind, number in wanted.items():
        for _ in range(number):
            row = next(chosen)
            fault[row] = kind
            image = images.loc[row]
            rows.append(
                {
                    "kind": kind,
                    "level": "image",
                    "image_id": image["image_id"],
                    "given": image["label"],
                    "true": image["label"],
                    "note": "the label is right, the picture is not usable",
                }
            )
    return fault, pd.DataFrame(rows, columns=TRUTH_COLUMNS)


def _faulty(layout: Layout, kind: str) -> Iterator[tuple[int, pd.Series]]:
    for number in np.flatnonzero(layout.compounds["fault"] == kind):
        yield int(number), layout.compounds.iloc[number]


def _mark_inactive(layout: Layout) -> list[dict]:
    rows = []
    for number, compound in _faulty(layout, "inactive dose"):
        wells = layout.wells[layout.wells["shown"] == number]
        labelled = wells[wells["role"] == "scored"].iloc[0]
        rows.append(
            {
                "kind": "inactive dose",
                "level": "treatment",
                "compound": compound["compound"],
                "concentration": labelled["concentration"],
                "given": compound["moa"],
                "true": NO_EFFECT,
                "note": f"{labelled['strength']:.0%} of the full effect at the labelled dose; "
                "higher doses show it",
            }
        )
    return rows


def _mislabel(layout: Layout, rng: np.random.Generator) -> list[dict]:
    rows = []
    wells = layout.wells
    with_faults = set(layout.compounds.loc[layout.compounds["fault"] != "", "moa"])
    for number, compound in _faulty(layout, "wrong mechanism"):
        given = _another_class(layout, compound["moa"], with_faults, rng)
        with_faults.add(given)
        labelled = (wells["shown"] == number) & (wells["role"] == "scored")
        wells.loc[labelled, ["label", "moa"]] = given
        rows.append(
            {
                "kind": "wrong mechanism",
                "level": "compound",
                "compound": compound["compound"],
                "given": given,
                "true": compound["moa"],
                "note": "labelled with another mechanism at every labelled dose",
            }
        )
    return rows


def _mix(layout: Layout, rng: np.random.Generator) -> list[dict]:
    rows = []
    wells, compounds = layout.wells, layout.compounds
    for number, compound in _faulty(layout, "mixed"):
        pure = (compounds["fault"] == "") & ~compounds["moa"].isin(
            [compound["moa"], FAINT_MECHANISM]
        )
        if not pure.any():
            raise InputError("every compound already has a fault: plant fewer faults")
        other = int(rng.choice(np.flatnonzero(pure)))
        true = compounds["moa"].iloc[other]
        wells.loc[wells["shown"] == number, "mixed_with"] = other
        rows.append(
            {
                "kind": "mixed",
                "level": "compound",
                "compound": compound["compound"],
                "given": compound["moa"],
                "true": true,
                "note": "impure: half of the cells show the label, half the other mechanism",
            }
        )
    return rows


def _swap_on_one_plate(layout: Layout, touched: set[str], rng: np.random.Generator) -> list[dict]:
    """Exchanges two compounds of different mechanisms, dose for dose, on one plate of their week.

    Adds both to `touched`. Doses are matched in order; both compounds have three.
    """
    wells = layout.wells
    plates = rng.permutation(wells["plate"].unique())
    for plate in plates:
        on_plate = wells[(wells["plate"] == plate) & (wells["shown"] >= 0)]
        free = [c for c in on_plate["compound"].unique() if c not in touched]
        for first, second in _pairs(rng.permutation(free)):
            moa = {c: _moa(layout, c) for c in (first, second)}
            if moa[first] == moa[second] or FAINT_MECHANISM in moa.values():
                continue
            a = on_plate[on_plate["compound"] == first].sort_values("concentration").index
            b = on_plate[on_plate["compound"] == second].sort_values("concentration").index
            _exchange_contents(wells, a, b)
            touched |= {first, second}
            return [
                {
                    "kind": "replicate swap",
                    "level": "replicate",
                    "compound": name,
                    "plate": plate,
                    "given": moa[name],
                    "true": moa[other],
                    "note": f"exchanged with {other} on this plate only",
                }
                for name, other in ((first, second), (second, first))
            ]
    raise InputError("no plate has two compounds left to exchange: plant fewer faults")


def _swap_wells(layout: Layout, touched: set[str], rng: np.random.Generator) -> list[dict]:
    """Exchanges what two scored wells of one plate show. Adds both compounds to `touched`."""
    wells = layout.wells
    for plate in rng.permutation(wells["plate"].unique()):
        on_plate = wells[(wells["plate"] == plate) & (wells["role"] == "scored")]
        on_plate = on_plate[
            ~on_plate["compound"].isin(touched) & (on_plate["label"] != FAINT_MECHANISM)
        ]
        for first, second in _pairs(rng.permutation(on_plate.index)):
            a, b = wells.loc[first], wells.loc[second]
            if a["label"] == b["label"]:
                continue
            _exchange_contents(wells, [first], [second])
            touched |= {a["compound"], b["compound"]}
            return [
                {
                    "kind": "well swap",
                    "level": "well",
                    "compound": one["compound"],
                    "concentration": one["concentration"],
                    "plate": plate,
                    "well": one["well"],
                    "given": one["label"],
                    "true": other["label"],
                    "note": f"exchanged with well {other['well']} of this plate",
                }
                for one, other in ((a, b), (b, a))
            ]
    raise InputError("no plate has two wells left to exchange: plant fewer faults")


def _pairs(items) -> Iterator[tuple]:
    for i in range(len(items)):
        for j in range(i + 1, len(items)):
            yield items[i], items[j]


def _exchange_contents(wells: pd.DataFrame, first, second) -> None:
    shows = ["shown", "strength", "mixed_with"]
    of_first = wells.loc[first, shows].to_numpy(copy=True)
    wells.loc[first, shows] = wells.loc[second, shows].to_numpy()
    wells.loc[second, shows] = of_first
    wells[["shown", "mixed_with"]] = wells[["shown", "mixed_with"]].astype(int)


def _moa(layout: Layout, compound: str) -> str:
    return layout.compounds.set_index("compound").at[compound, "moa"]


def _another_class(
    layout: Layout, moa: str, with_faults: set[str], rng: np.random.Generator
) -> str:
    """A class other than `moa` and the faint one; one that carries no fault yet where there is."""
    others = [c for c in layout.classes if c not in (moa, FAINT_MECHANISM)]
    return str(rng.choice([c for c in others if c not in with_faults] or others))
