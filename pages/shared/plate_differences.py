"""A line on plates that differ as a whole from the study's other plates, on Overview and Plates."""

import streamlit as st

from bnn_core.base.wording import count
from bnn_core.images.plate_levels import UnusualPlate, unusual_plates
from bnn_core.study.folder import Study
from pages.shared import studies
from pages.shared.words import plain

#: Plates that are described.
MOST = 3


def show(study: Study) -> None:
    """The plates and how they differ; nothing where all are alike or nothing was measured."""
    unusual = _unusual(studies.identity(study), study)
    if not unusual:
        return
    described = "; ".join(plate.sentence() for plate in unusual[:MOST])
    more = f"; and {len(unusual) - MOST} more" if len(unusual) > MOST else ""
    st.caption(
        f":material/warning: {count(len(unusual), 'plate')} unlike the others, compared with the "
        f"median plate. {plain(described)}{more}. A network may predict such a plate worse."
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def _unusual(identity: str, _study: Study) -> list[UnusualPlate]:
    return unusual_plates(_study.images, _study.contrast)
