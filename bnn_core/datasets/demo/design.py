"""Which compound is in which well of the demo: mechanisms, compounds, doses, weeks, plates.

What a well *says* (compound, dose, label) and what it *shows* (whose effect, how strong) are kept
in separate columns, so that `faults` can plant an error by changing one of the two.
"""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.datasets.demo.phenotypes import DEMO_CLASSES, FAINT_MECHANISM, MECHANISMS, UNTREATED

LADDER = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
WELLS = [f"{row}{column:02d}" for row in "BCDEFG" for column in range(2, 12)]
_STARTS = ("Al", "Bru", "Cor", "Des", "Elo", "Fan", "Gri", "Hal", "Ivo", "Jas", "Kel", "Lum")
_MIDDLES = ("a", "eri", "i", "ola", "umbe", "ysi", "o", "ande")
# Endings of places: no drug name has them.
ENDS = ("thorn", "wick", "mott", "dorn", "zell", "brook", "combe", "field")


@dataclass(frozen=True)
class DemoDesign:
    """Sizes, faults and difficulty of a synthetic screen. The defaults are the shipped demo."""

    mechanisms: int = 12  # 3..12; the faint one is always among them
    compounds: int = 38  # at least two per mechanism
    weeks: int = 5
    replicates: int = 3  # plates per week, every treatment once on each
    sites: int = 2  # fields per well
    control_wells: int = 4  # DMSO wells per plate
    unseen: int = 2  # compounds of a mechanism that no network is trained on
    size: int = 160  # height and width of a picture, pixels
    training_size: int = 64  # of the image that is trained on, at most `size`
    # Planted faults
    mislabelled: int = 2  # compounds labelled with another's mechanism
    inactive: int = 1  # compounds labelled at a dose too low to act
    well_swaps: int = 1  # pairs of wells exchanged on one plate
    replicate_swaps: int = 0  # pairs of compounds exchanged on one whole plate
    mixed: int = 1  # compounds with another mechanism in half of the cells
    blurred: int = 9  # images out of focus
    empty: int = 6  # images without cells
    debris: int = 9  # images with dirt over the cells
    # Difficulty
    compound_spread: float = 0.06  # a compound's own departure from its mechanism's look
    kinship: float = 0.06  # mean share of another mechanism's look in a compound's
    cell_spread: float = 0.25  # cells of one image do not all respond alike
    batch_effect: float = 1.0  # staining, illumination and density between weeks
    odd_weeks: int = 1  # weeks on another microscope: a softer focus, and more cells

    def __post_init__(self):
        least = {"weeks": 1, "replicates": 1, "sites": 1, "control_wells": 1, "size": 16}
        for field in fields(self):
            value = getattr(self, field.name)
            if value < least.get(field.name, 0):
                raise InputError(
                    f"--{field.name.replace('_', '-')} is {value}: "
                    f"give at least {least.get(field.name, 0)}"
                )
        if not 3 <= self.mechanisms <= len(DEMO_CLASSES):
            raise InputError(
                f"--mechanisms is {self.mechanisms}: give 3 to {len(DEMO_CLASSES)}, "
                "the number of looks that can be drawn"
            )
        if self.compounds < 2 * self.mechanisms:
            raise InputError(
                f"--compounds is {self.compounds}: give at least {2 * self.mechanisms}, "
                "two for each mechanism, so that one can be left out"
            )
        if self.compounds > 8 * len(_STARTS):
            raise InputError(
                f"--compounds is {self.compounds}: give at most {8 * len(_STARTS)}, "
                "the number of invented names"
            )
        per_week = -(-self.compounds // self.weeks)
        new = 3 * -(-self.unseen // self.weeks)
        needed = 3 * per_week + self.inactive + self.control_wells + new
        if needed > len(WELLS):
            raise InputError(
                f"{per_week} compounds a week need {needed} wells and a plate has "
                f"{len(WELLS)}: raise --weeks or lower --compounds"
            )
        if self.odd_weeks > self.weeks:
            raise InputError(
                f"--odd-weeks is {self.odd_weeks}: give at most {self.weeks}, the number of weeks"
            )
        faulty = self.mislabelled + self.inactive + self.mixed + 2 * self.replicate_swaps
        if faulty > self.compounds // 2:
            raise InputError(
                f"{faulty} of {self.compounds} compounds would carry a fault; at most half may"
            )


@dataclass
class Layout:
    """Wells of all plates, and the drawn look of every compound.

    `wells` has one row per well: what it says (`batch`, `plate`, `replicate`, `well`, `compound`,
    `concentration`, `moa`, `label`, `role`) and what it shows (`shown`, a row number of `targets`
    or -1 for untreated cells; `strength` of the effect; `mixed_with`, a second row number or -1).
    `targets` (compounds, looks) is the look of a cell that fully responds.
    """

    wells: pd.DataFrame
    compounds: pd.DataFrame
    targets: np.ndarray
    classes: list[str]


def lay_out(design: DemoDesign, rng: np.random.Generator) -> Layout:
    """A screen in which every well shows what it says; some compounds are marked for a fault.

    An inactive dose is laid out here already, because it needs doses of its own.
    """
    classes = _choose_classes(design, rng)
    compounds = _invent_compounds(design, classes, rng)
    targets = _compound_looks(design, classes, compounds, rng)
    rows = []
    for week in range(1, design.weeks + 1):
        treatments: list[dict] = [_CONTROL] * design.control_wells
        for number in np.flatnonzero(compounds["week"] == week):
            treatments += doses_of(int(number), compounds.iloc[number])
        # The layout is the same on every plate of a week, as where a robot fills them.
        wells = [str(well) for well in rng.permutation(WELLS)[: len(treatments)]]
        for replicate in range(1, design.replicates + 1):
            field_columns = {
                "batch": f"Week{week}",
                "plate": f"Week{week}_P{replicate}",
                "replicate": replicate,
            }
            rows += [
                field_columns | {"well": well} | treatment
                for well, treatment in zip(wells, treatments, strict=True)
            ]
    wells = pd.DataFrame(rows).sort_values(["plate", "well"], ignore_index=True)
    return Layout(wells, compounds, targets, classes)


def _choose_classes(design: DemoDesign, rng: np.random.Generator) -> list[str]:
    others = [name for name in DEMO_CLASSES if name != FAINT_MECHANISM]
    chosen = rng.choice(others, design.mechanisms - 1, replace=False)
    return sorted([FAINT_MECHANISM, *map(str, chosen)])


def _invent_compounds(
    design: DemoDesign, classes: list[str], rng: np.random.Generator
) -> pd.DataFrame:
    n = design.compounds
    starts = [_STARTS[i % len(_STARTS)] for i in rng.permutation(n)]
    number_of_start: dict[str, int] = {}
    names = []
    offset = rng.integers(len(ENDS))
    for start in starts:
        nth = number_of_start.get(start, 0)
        number_of_start[start] = nth + 1
        # One ending per use of a start: no two names are alike.
        end = ENDS[(offset + nth) % len(ENDS)]
        names.append(start + str(rng.choice(_MIDDLES)) + end)
    # Shared out evenly, but the faint mechanism gets the two that make it learnable: it has the
    # least to see.
    others = [str(name) for name in rng.permutation([c for c in classes if c != FAINT_MECHANISM])]
    moa = [FAINT_MECHANISM] * min(2, n - 2 * len(classes))
    moa = sorted(moa + [[FAINT_MECHANISM, *others][i % len(classes)] for i in range(n - len(moa))])
    table = pd.DataFrame({"compound": names, "moa": moa})
    table["week"] = _deal_to_weeks(design, np.array(moa) == FAINT_MECHANISM, rng)
    table["fault"] = _choose_faulty(design, table, rng)
    first = rng.integers(1, len(LADDER) - 3, n)
    table["first_dose"] = first
    table["labelled"] = rng.choice(["both", "both", "both", "both", "high"], n)
    inactive = table["fault"] == "inactive dose"
    # Three neighbouring doses with about 0.5, 0.86 and 0.97 of the full effect. An inactive dose
    # lies on a steep curve: about 0.06 at the labelled dose, 0.87 and 1.00 at the next two.
    steep = np.array(LADDER)[first + 2] / 1.6
    gentle = np.array(LADDER)[first + 1] / 3.2 * np.exp(rng.normal(0, 0.15, n))
    table["ec50"] = np.where(inactive, steep, gentle)
    table["hill"] = np.where(inactive, 4.0, 1.6)
    table["full_effect"] = rng.uniform(0.85, 1.15, n)
    return table


def _deal_to_weeks(design: DemoDesign, faint: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Week of each compound, 1 and up: even numbers, at random, but the faint ones far apart.

    The faint mechanism then means weak effects in every week, not the look of one week.
    """
    weeks = np.concatenate([rng.permutation(design.weeks) for _ in range(len(faint))])
    weeks = weeks[: len(faint)]
    dealt = np.empty(len(faint), dtype=np.int64)
    dealt[faint] = weeks[: faint.sum()]
    dealt[~faint] = rng.permutation(weeks[faint.sum() :])
    return dealt + 1


def _choose_faulty(
    design: DemoDesign, compounds: pd.DataFrame, rng: np.random.Generator
) -> list[str]:
    """The compound fault that each compound carries, "" for most.

    The faint mechanism is left out: a fault planted on it would look like a weak effect.
    """
    fault = [""] * len(compounds)
    order = [int(i) for i in rng.permutation(len(compounds))]
    candidates = [i for i in order if compounds["moa"].iloc[i] != FAINT_MECHANISM]
    wanted = ["inactive dose"] * design.inactive + ["wrong mechanism"] * design.mislabelled
    wanted += ["mixed"] * design.mixed
    touched: dict[str, int] = {}
    for kind in wanted:
        # At most one fault in a mechanism as long as there are enough, or it could not be learnt.
        i = min(candidates, key=lambda c: touched.get(compounds["moa"].iloc[c], 0))
        candidates.remove(i)
        fault[i] = kind
        moa = compounds["moa"].iloc[i]
        touched[moa] = touched.get(moa, 0) + 1
    return fault


def _compound_looks(
    design: DemoDesign, classes: list[str], compounds: pd.DataFrame, rng: np.random.Generator
) -> np.ndarray:
    looks = np.stack([MECHANISMS[name].vector() for name in classes])
    untreated = UNTREATED.vector()
    typical = np.sqrt(((looks - untreated) ** 2).mean(axis=0))
    looks_of = np.stack([looks[classes.index(name)] for name in compounds["moa"]])
    kin = looks[
        [rng.choice([k for k, c in enumerate(classes) if c != moa]) for moa in compounds["moa"]]
    ]
    # A faint mechanism's compounds vary as little as it does itself, or they would not be faint.
    effect = np.linalg.norm((looks_of - untreated) / np.where(typical > 0, typical, 1), axis=1)
    size = np.minimum(effect / np.median(effect), 1)[:, None]
    lean = size * np.minimum(rng.exponential(design.kinship, (len(looks_of), 1)), 0.35)
    noise = size * design.compound_spread * typical * rng.normal(size=looks_of.shape)
    return looks_of + lean * (kin - looks_of) + noise


_CONTROL = {
    "compound": "DMSO",
    "concentration": 0.0,
    "moa": None,
    "label": None,
    "role": "control",
    "shown": -1,
    "strength": 0.0,
    "mixed_with": -1,
}


def doses_of(number: int, compound: pd.Series) -> list[dict]:
    """What the wells of one compound say and show, one entry per dose (µM)."""
    first = compound["first_dose"]
    if compound["fault"] == "inactive dose":
        doses = [(dose, i == 1) for i, dose in enumerate(LADDER[first : first + 4])]
    else:
        low, mid, high = LADDER[first : first + 3]
        which = compound["labelled"]
        doses = [(low, False), (mid, which == "both"), (high, True)]
    treatments = []
    for concentration, labelled in doses:
        dose = (concentration / compound["ec50"]) ** compound["hill"]
        label = compound["moa"] if labelled else None
        treatments.append(
            {
                "compound": compound["compound"],
                "concentration": concentration,
                "moa": label,
                "label": label,
                "role": "scored" if labelled else "unlabelled",
                "shown": number,
                "strength": compound["full_effect"] * dose / (1 + dose),
                "mixed_with": -1,
            }
        )
    return treatments
