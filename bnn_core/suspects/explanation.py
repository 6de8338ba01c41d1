"""One possible explanation of a suspect label: how well it fits the data, in numbers and words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FITS, PARTLY, AGAINST, NOT_CHECKED = "fits", "fits in part", "does not fit", "not checked"
EXPLANATION_VERDICTS = (FITS, PARTLY, AGAINST, NOT_CHECKED)

#: Key -> title, in the order in which explanations are given.
TITLES = {
    "wrong_label": "The label is wrong",
    "inactive_dose": "The dose has no effect",
    "toxic": "The dose is toxic",
    "well_swap": "Wells were swapped, or one plate is at fault",
    "artefact": "The image quality is poor",
    "batch": "The network recognises the batch",
    "weak_model": "The network is weak on this class",
    "new_kind": "The images are unlike all training images",
    "other_network": "The standard network agrees with the label",
    "other_data": "Independent data agree with the label",
}


@dataclass(frozen=True)
class Explanation:
    """One explanation of a disagreement, compared with the data. Several may fit, or no one.

    key: one of TITLES. verdict: one of EXPLANATION_VERDICTS. sentence: what the data show, with counts, for a
    biologist. numbers: the figures behind the sentence; shares in [0, 1]. n: how many `counted`
    (images, wells, compounds) the verdict rests on. needs: for NOT_CHECKED, the data that would answer
    the question; empty where there are too few of them.
    """

    key: str
    verdict: str
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    n: int = 0
    counted: str = "images"
    needs: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The explanation in a few words."""
        return TITLES[self.key]

    @property
    def basis(self) -> str:
        """What the verdict rests on: "n = 12 images"; empty where nothing was counted."""
        if not self.n:
            return ""
        noun = self.counted.removesuffix("s") if self.n == 1 else self.counted
        return f"n = {self.n:,} {noun}"


def not_checked(key: str, sentence: str, needs: Sequence[str] = ()) -> Explanation:
    """An explanation that the data cannot answer; the sentence says why."""
    return Explanation(key, NOT_CHECKED, sentence, needs=tuple(needs))


def by_verdict(explanations: Sequence[Explanation]) -> list[Explanation]:
    """Those that fit first; the given order within one verdict."""
    return sorted(explanations, key=lambda one: EXPLANATION_VERDICTS.index(one.verdict))


def unchecked_line(explanations: Sequence[Explanation]) -> str:
    """One line on all that are not checked: how many, and which data would answer them.

    "8 not checked: needs plate and well, untreated wells, a second opinion"; empty without any.
    """
    unknown = [one for one in explanations if one.verdict == NOT_CHECKED]
    if not unknown:
        return ""
    needs = list(dict.fromkeys(need for one in unknown for need in one.needs))
    too_few = sum(not one.needs for one in unknown)
    text = f"{len(unknown)} not checked"
    if needs:
        text += f": needs {', '.join(needs)}"
    if too_few:
        text += (
            f" ({too_few} because there are no others to compare with)"
            if needs
            else ": too few data"
        )
    return text
