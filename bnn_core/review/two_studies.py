"""Two studies of the same images: what changed per image, class and compound.

"First" is the study in view, "second" the other one. An image is compared where both studies count
it for accuracy, with the same picture and the same label; others are counted.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.scores import DEFAULT_SCORE
from bnn_core.measures.intervals import Interval, paired_difference
from bnn_core.measures.judged_units import independent_groups
from bnn_core.measures.levels import scored_rows
from bnn_core.study.folder import Study

#: What happened to an image, from the first study to the second.
CHANGES = ("only the second right", "only the first right", "both wrong", "both right")


@dataclass(frozen=True)
class TwoStudies:
    """The comparison of two methods of two studies.

    table: one row per compared image, in the order of the first study: row_first, row_second,
    image_id, label, compound, group, predicted_*, right_* (bool), score_* (the default score of
    `base.scores`), change (one of CHANGES), differ (whether the predicted classes differ).
    relabelled, other_picture: images of both studies that are not compared. only_first,
    only_second: scored images of one study alone.
    """

    table: pd.DataFrame
    relabelled: int
    other_picture: int
    only_first: int
    only_second: int

    def difference(self) -> Interval:
        """Accuracy of the second minus that of the first, in [-1, 1], paired over the
        `independent_groups` of the first study."""
        first, second = (self.table[f"right_{side}"].to_numpy(float) for side in SIDES)
        return paired_difference(second, first, independent_groups(self.table))

    def by(self, column: str) -> pd.DataFrame:
        """Per class ("label") or compound: images, accuracy of both, their difference, and how many
        images changed to right and to wrong; the largest changes first."""
        table = self.table[self.table[column].notna()]
        gained = table["change"].eq(CHANGES[0])
        lost = table["change"].eq(CHANGES[1])
        parts = table.assign(gained=gained, lost=lost).groupby(column, observed=True)
        result = parts.agg(
            images=("image_id", "size"),
            first=("right_first", "mean"),
            second=("right_second", "mean"),
            gained=("gained", "sum"),
            lost=("lost", "sum"),
        )
        result["difference"] = result["second"] - result["first"]
        moved = (result["gained"] + result["lost"]).to_numpy()
        return result.iloc[np.lexsort((-result["images"].to_numpy(), -moved))].reset_index()


SIDES = ("first", "second")


def compare_two(first: Study, second: Study, methods: tuple[str, str]) -> TwoStudies:
    """Compare method methods[0] of one study with methods[1] of another on the same images.

    Raises InputError where they share no image that both score with the same label.
    """
    one, two = _scored(first, methods[0]), _scored(second, methods[1])
    both, relabelled, other = matched(one, two, SIDES)
    table = both[~relabelled & ~other]
    if table.empty:
        raise InputError(
            f"studies {first.name} and {second.name} share no scored image with the same label and "
            "the same picture"
        )
    right = [table[f"right_{side}"].to_numpy(bool) for side in SIDES]
    change = np.select(
        [~right[0] & right[1], right[0] & ~right[1], ~right[0]], CHANGES[:3], CHANGES[3]
    )
    return TwoStudies(
        table.reset_index()
        .assign(
            label=table["label_first"].to_numpy(),
            compound=table["compound_first"].to_numpy(),
            group=table["group_first"].to_numpy(),
            change=change,
            differ=(table["predicted_first"] != table["predicted_second"]).to_numpy(),
            right_first=right[0],
            right_second=right[1],
        )
        .sort_values("row_first", ignore_index=True),
        relabelled=int(relabelled.sum()),
        other_picture=int((other & ~relabelled).sum()),
        only_first=len(one.index.difference(two.index)),
        only_second=len(two.index.difference(one.index)),
    )


def matched(
    one: pd.DataFrame, two: pd.DataFrame, sides: tuple[str, str]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """The images of both tables, whether their labels differ, and whether their pictures do.

    one, two: by image_id, with label and content_hash. The columns of the result end in "_" and the
    name of their side. A picture without a hash is taken as the same.
    """
    both = one.add_suffix(f"_{sides[0]}").join(two.add_suffix(f"_{sides[1]}"), how="inner")
    labels = [both[f"label_{side}"] for side in sides]
    hashes = both[[f"content_hash_{side}" for side in sides]].fillna("").to_numpy(str)
    other = (hashes != "").all(axis=1) & (hashes[:, 0] != hashes[:, 1])
    return both, (labels[0] != labels[1]).to_numpy(), other


def _scored(study: Study, method: str) -> pd.DataFrame:
    """What is compared of the scored images, by image_id."""
    table = study.table(method)
    scored = table[scored_rows(table)]
    columns = ["label", "predicted", "content_hash", "compound", "group"]
    return (
        scored.reindex(columns=["image_id", *columns])
        .assign(
            **{column: scored[column].astype(object) for column in ("label", "predicted")},
            row=scored.index,
            right=scored["correct"].to_numpy(bool),
            score=scored[DEFAULT_SCORE],
        )
        .set_index("image_id")
    )
