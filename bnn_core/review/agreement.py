"""Do reviewers agree? Cohen's kappa of each pair on the images that both decided."""

import math
import warnings
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from bnn_core.base.wording import count


@dataclass(frozen=True)
class Agreement:
    """Two reviewers on the images that both decided.

    same: number of equal decisions (with the same new label). kappa: Cohen (1960), 1 for complete
    agreement, 0 for what chance gives; nan where both always decide the same one thing.
    """

    reviewers: tuple[str, str]
    images: int
    same: int
    kappa: float

    def sentence(self) -> str:
        """The result in words."""
        kappa = "" if math.isnan(self.kappa) else f" (Cohen's kappa {self.kappa:.2f})"
        return (
            f"{self.reviewers[0]} and {self.reviewers[1]} both decided {count(self.images, 'image')} "
            f"and agree on {self.same:,}{kappa}."
        )


def agreements(opinions: pd.DataFrame) -> list[Agreement]:
    """All pairs of reviewers with images in common, those with the most first.

    opinions: columns row, reviewer, decision, new_label, one row per reviewer and image
    (`ReviewLog.opinions`). Decisions imported with several names count as that text.
    """
    from sklearn.metrics import cohen_kappa_score  # a second to import

    decision = opinions["decision"] + "\t" + opinions["new_label"].fillna("").astype(str)
    table = opinions.assign(decision=decision).pivot(
        index="row", columns="reviewer", values="decision"
    )
    pairs = []
    for one, two in combinations(sorted(table.columns), 2):
        both = table[[one, two]].dropna()
        if len(both):
            a, b = both[one].to_numpy(str), both[two].to_numpy(str)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a single decision: kappa is not defined
                kappa = float(cohen_kappa_score(a, b))
            pairs.append(Agreement((one, two), len(both), int((a == b).sum()), kappa))
    return sorted(pairs, key=lambda pair: -pair.images)
