"""Did cleaning help? Two studies of the same images, before and after labels were corrected."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.methods import method_of, reading_method
from bnn_core.base.wording import percent
from bnn_core.measures.intervals import Interval, paired_difference
from bnn_core.measures.judged_units import independent_groups
from bnn_core.measures.levels import scored_rows
from bnn_core.review.two_studies import matched
from bnn_core.study.folder import Study

#: Settings that may differ between the two studies without being a rival cause of a difference.
_IGNORED_SETTINGS = {
    "exclude",
    "relabel",
    "out",
    "title",
    "name",
    "force",
    "restart",
    "cache",
    "device",
    "threads",
}


@dataclass(frozen=True)
class Flattering:
    """Accuracy over all images that each study scores, in [0, 1].

    Removing hard images raises it even if nothing was learnt, so never show it alone.
    """

    before: float
    after: float
    n_before: int
    n_after: int


@dataclass(frozen=True)
class CleaningEffect:
    """The comparison on unchanged images, and beside it the one on all images (`flattering`).

    before, after: accuracy in [0, 1] on the same `images` unchanged images. difference: after -
    before with a 95 % interval (Student's t) over `groups` whole groups (`independent_groups`); its
    ends are nan with fewer than two groups. The interval holds for these two trained networks and
    does not include the effect of another seed. Images that were excluded because the first
    network predicted them wrongly favour the first network here, so a small gain may be
    understated. excluded, relabelled, other_picture: number of images left out of the comparison.
    other_settings: further settings that differ.
    """

    method: str
    images: int
    groups: int
    grouped_by: str
    before: float
    after: float
    difference: Interval
    excluded: int
    relabelled: int
    other_picture: int
    other_settings: tuple[str, ...]
    flattering: Flattering

    def sentence(self) -> str:
        """The result in words, for the page and the report."""
        change = 100 * self.difference.value
        if self.groups < 2:
            certainty = f"no interval from a single {self.grouped_by}"
        else:
            low, high = 100 * self.difference.low, 100 * self.difference.high
            certainty = f"95 % interval {low:+.1f} to {high:+.1f}"
            if low <= 0 <= high:
                certainty += ", so no difference is shown"
        return (
            f"{method_of(self.method).name}, on the {self.images:,} unchanged "
            f"images: {percent(self.before, 1)} correct before, "
            f"{percent(self.after, 1)} after ({change:+.1f} points, {certainty}; "
            f"{self.groups:,} {self.grouped_by}s). {self.excluded:,} excluded, "
            f"{self.relabelled:,} relabelled."
        )


def compare_cleaned(before: Study, after: Study, method: str | None = None) -> CleaningEffect:
    """Compare two studies on the images neither excluded nor relabelled between them.

    Both must have these images in the same folds, or the networks were tested on different
    questions. method: by default the one that counts of those that both have. Raises InputError
    when the studies share no unchanged image, have no method in common, or have different folds.
    """
    if method is None:
        shared = [m for m in before.methods if m in after.methods]
        method = reading_method(shared) if shared else None
    if method is None or method not in before.methods or method not in after.methods:
        raise InputError(
            f"studies {before.name} and {after.name} do not both have "
            f"{f'the method {method}' if method else 'one method'}; they have "
            f"{', '.join(before.methods)} and {', '.join(after.methods)}"
        )
    old, new = _scored(before, method), _scored(after, method)
    both, relabelled, other = matched(old, new, ("old", "new"))
    same = both[~relabelled & ~other]
    if same.empty:
        raise InputError(
            f"studies {before.name} and {after.name} share no scored image with the same label; "
            "compare a study with one made again with --exclude or --relabel"
        )
    _require_same_folds(same, before, after)
    groups, grouped_by = _groups(same)
    right_old, right_new = (same["right_old"].to_numpy(float), same["right_new"].to_numpy(float))
    difference = paired_difference(right_new, right_old, groups)
    count = len(same) if groups is None else len(pd.unique(groups))
    return CleaningEffect(
        method=method,
        images=len(same),
        groups=count,
        grouped_by=grouped_by,
        before=float(right_old.mean()),
        after=float(right_new.mean()),
        difference=difference,
        excluded=len(old.index.difference(new.index)),
        relabelled=int(relabelled.sum()) + len(new.index.difference(old.index)),
        other_picture=int((other & ~relabelled).sum()),
        other_settings=_other_settings(before, after),
        flattering=Flattering(
            float(old["right"].mean()), float(new["right"].mean()), len(old), len(new)
        ),
    )


def _scored(study: Study, method: str) -> pd.DataFrame:
    """label, fold, content_hash, compound, group and right of the scored images, by image_id."""
    table = study.images.assign(correct=study.summary(method)["correct"].to_numpy())
    table = table[scored_rows(table)].rename(columns={"correct": "right"})
    columns = ["label", "fold", "content_hash", "compound", "group", "right"]
    return table.set_index("image_id").reindex(columns=columns)


def _require_same_folds(same: pd.DataFrame, before: Study, after: Study) -> None:
    # The fold numbers may differ (a fold may have lost its last image), the division may not.
    pairs = same[["fold_old", "fold_new"]].drop_duplicates()
    if pairs["fold_old"].is_unique and pairs["fold_new"].is_unique:
        return
    split = pairs["fold_old"].duplicated(keep=False) | pairs["fold_new"].duplicated(keep=False)
    fold = pairs.loc[split, "fold_old"].iat[0]
    raise InputError(
        f"studies {before.name} and {after.name} have different folds (fold {fold} of "
        f"{before.name} is not one fold of {after.name}); make the second study with the folds of "
        "the first"
    )


def _groups(same: pd.DataFrame) -> tuple[np.ndarray | None, str]:
    """The `independent_groups` of the earlier study, and what they are called."""
    table = same[["group_old", "compound_old"]].set_axis(["group", "compound"], axis=1)
    groups = independent_groups(table)
    if groups is None:
        return None, "image"
    coarser = table["group"].notna().any() and not table["group"].equals(table["compound"])
    return groups, "group" if coarser else "compound"


def _other_settings(before: Study, after: Study) -> tuple[str, ...]:
    """Other settings in which the studies differ: rival causes of a gain."""
    old, new = before.meta.get("settings", {}), after.meta.get("settings", {})
    return tuple(
        sorted(
            key
            for key in old.keys() | new.keys()
            if key not in _IGNORED_SETTINGS and old.get(key) != new.get(key)
        )
    )
