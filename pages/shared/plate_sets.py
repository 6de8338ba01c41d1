"""The plates that a page shows: those of the study, or of a set that was added to it."""

from bnn_core.measures.new_compounds import plate_sets
from bnn_core.study.folder import Study
from pages.shared import choices

ORIGINAL = "the study"


def pick_set(study: Study) -> str | None:
    """The name of the chosen added set, or None for the study's original images.

    The menu is drawn only for a study with added sets.
    """
    sets = list(plate_sets(study.images))
    if not sets:
        return None
    options = [ORIGINAL, *sets]
    name = choices.pick(
        "Images", options, key="plate_set", default=ORIGINAL, label_visibility="collapsed"
    )
    return None if name == ORIGINAL else name
