"""What no network of the demo is trained on: compounds of one more mechanism, and damaged copies."""

import numpy as np
import pandas as pd

from bnn_core.datasets.demo.design import ENDS, LADDER, WELLS, DemoDesign, Layout, doses_of
from bnn_core.datasets.demo.phenotypes import UNSEEN_LOOK, UNSEEN_MECHANISM, UNTREATED
from bnn_core.datasets.extra_rows import corrupted_copies

# Starts of names that no compound with a known mechanism has.
_STARTS = ("Myr", "Nol", "Orv", "Pel", "Quen", "Ras")
DAMAGES = ("blur", "saturate", "debris", "wrong-channel")


def add_unseen(design: DemoDesign, layout: Layout, rng: np.random.Generator) -> Layout:
    """The layout with compounds of the mechanism `UNSEEN_MECHANISM` in wells that are free.

    Their labelled doses have the role "new", the others are unlabelled. Every other row is as it was.
    """
    if not design.unseen:
        return layout
    weeks = rng.permutation(design.weeks)
    away = UNSEEN_LOOK.vector() - UNTREATED.vector()
    rows, targets = [], [layout.targets]
    occupied = {
        week: set(wells) for week, wells in layout.wells.groupby("batch")["well"].unique().items()
    }
    for nth in range(design.unseen):
        week = f"Week{weeks[nth % len(weeks)] + 1}"
        compound = pd.Series(
            {
                "compound": _STARTS[nth % len(_STARTS)] + "a" + ENDS[(nth * 3) % len(ENDS)],
                "moa": UNSEEN_MECHANISM,
                "fault": "",
                "first_dose": int(rng.integers(1, 4)),
                "labelled": "both",
                "hill": 1.6,
                "full_effect": rng.uniform(0.9, 1.1),
            }
        )
        compound["ec50"] = LADDER[compound["first_dose"] + 1] / 3.2
        look = UNTREATED.vector() + away * (1 + 0.08 * rng.normal(size=len(away)))
        contents = doses_of(sum(map(len, targets)), compound)
        targets.append(look[None])
        free = [well for well in WELLS if well not in occupied[week]]
        chosen = [str(well) for well in rng.permutation(free)[: len(contents)]]
        occupied[week] |= set(chosen)
        for replicate in range(1, design.replicates + 1):
            plate = {"batch": week, "plate": f"{week}_P{replicate}", "replicate": replicate}
            rows += [
                plate | {"well": well} | content | ({"role": "new"} if content["label"] else {})
                for well, content in zip(chosen, contents, strict=True)
            ]
    wells = pd.concat([layout.wells, pd.DataFrame(rows)]).sort_values(
        ["plate", "well"], ignore_index=True
    )
    return Layout(wells, layout.compounds, np.concatenate(targets), layout.classes)


def with_damaged(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a source, and one image of each scored well once more, damaged in one way."""
    first = (table["role"] == "scored") & (table["site"] == 1)
    return corrupted_copies(table, DAMAGES, among=first.to_numpy())
