"""Did cleaning help? The two studies on the images whose label and picture stayed the same."""

import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.wording import be, count, percent
from bnn_core.review.before_after import CleaningEffect, compare_cleaned
from bnn_core.study.folder import Study
from pages.shared import studies
from pages.shared.words import as_sentence, plain


def draw(one: Study, two: Study) -> None:
    """The earlier study compared with the later one on the untouched images."""
    pair = sorted((one, two), key=lambda study: str(study.meta["created"]))
    st.caption(f"Before: {plain(pair[0].name)}. After: {plain(pair[1].name)} (made later).")
    try:
        effect = _effect(*map(studies.identity, pair), *pair)
    except InputError as error:
        st.info(as_sentence(error), icon=":material/compare_arrows:")
        return
    draw_effect(effect)


def draw_effect(effect: CleaningEffect) -> None:
    """The difference on untouched images first, the difference on all images beside it."""
    flattering = effect.flattering
    left, right = st.columns(2, gap="large")
    left.metric(
        "On untouched images, after",
        f"{percent(effect.after, 1)}",
        f"{100 * effect.difference.value:+.1f} points",
        border=True,
    )
    right.metric(
        "On all scored images of each study, after",
        f"{percent(flattering.after, 1)}",
        f"{100 * (flattering.after - flattering.before):+.1f} points",
        delta_color="off",
        border=True,
    )
    left.markdown(plain(effect.sentence()))
    right.markdown(
        f"{flattering.n_before:,} images before, {flattering.n_after:,} after. This "
        "number is too good: removing hard images from the test raises it without any learning. "
        "Read it only together with the number on the left."
    )
    if effect.other_picture:
        st.caption(
            f"{count(effect.other_picture, 'image')} {be(effect.other_picture)} omitted "
            "because the pictures differ."
        )
    if effect.other_settings:
        st.warning(
            "The two studies also differ in "
            f"{plain(', '.join(effect.other_settings))}. A gain may come from that.",
            icon=":material/warning:",
        )


@st.cache_resource(max_entries=8, show_spinner="Comparing")
def _effect(one: str, two: str, _before: Study, _after: Study) -> CleaningEffect:
    return compare_cleaned(_before, _after)
