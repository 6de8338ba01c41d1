"""One image (figures 1A-C and 6): why is the network unsure of this one?"""

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.methods import method_of
from bnn_core.base.wording import percent
from bnn_core.figures import averaging, style
from bnn_core.figures import samples as figures
from bnn_core.measures import sample_views
from bnn_core.measures.prediction_sets import fewest_groups
from bnn_core.study.folder import Study
from pages.one_image import alike, networks
from pages.one_image.viewer import ONE, image_viewer, pick_panes
from pages.shared import (
    charts,
    filters,
    flagging,
    frame,
    panels,
    pictures,
    possible,
    studies,
)
from pages.shared.judged import none_passes
from pages.shared.words import plain

LEAST, MOST, STORED = "highest entropy first", "lowest entropy first", "as stored"


class Shown(NamedTuple):
    """The image on the page, with its study, methods and table."""

    study: Study
    row: int
    method: str
    standard: str | None
    table: pd.DataFrame
    label: int | None


def page() -> None:
    """The page."""
    explore(frame.current_study())


@frame.fragment
def explore(study: Study) -> None:
    """The image of the address; a step to the next image reruns only this fragment."""
    among = frame.among_rows(study)
    if not len(among) and none_passes(study):
        return
    method = study.reading_method
    table = studies.table(study, method)
    among = walked(study, among, table)
    row = after_click(study, row_in_address(study, among))
    label = table["label"].iat[row]
    shown = Shown(
        study,
        row,
        method,
        study.standard_method,
        table,
        study.classes.index(label) if label in study.classes else None,
    )
    draw_steps(study, row, among)
    look = ONE
    if study.meta.get("channels") and pictures.has_original(study, row):
        look = pick_panes(study)
    # Several pictures get the width of the page.
    left, right = (
        st.columns([1, 1.75], gap="large") if look == ONE else (st.container(), st.container())
    )
    with left:
        draw_picture(shown, look)
    with right:
        draw_distribution(shown)
        draw_possible(shown)
        draw_effect(shown)
    alike.draw(study, row, table, partial(show, study))
    networks.draw_strip(study, method, table, row, among, partial(show, study))
    left, right = st.columns(2, gap="large")
    with left:
        networks.draw_accuracies(study, method)
    with right:
        networks.draw_sample_size(study)


def walked(study: Study, among: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """The rows of previous and next: a selection in its order, else in the chosen order."""
    if "among" in st.query_params:
        return among
    # The menu is drawn after the buttons that need the order, so a fresh link is read here.
    order = st.session_state.get("walk") or st.query_params.get("walk")
    order = order if order in (LEAST, MOST, STORED) else LEAST
    return ordered(studies.identity(study), filters.key(study), order, among, table)


@st.cache_resource(max_entries=16, show_spinner=False)
def ordered(
    identity: str, key: str, order: str, _among: np.ndarray, _table: pd.DataFrame
) -> np.ndarray:
    """The filtered rows by the entropy of the average, which, unlike c, does not rise again."""
    if order == STORED:
        return _among
    entropy = _table["predictive_entropy"].to_numpy()[_among]
    return _among[np.argsort(-entropy if order == LEAST else entropy, kind="stable")]


def row_in_address(study: Study, among: np.ndarray) -> int:
    """The row of ?image=, else the first of the selection."""
    image_id = st.query_params.get("image")
    if image_id is None:
        return int(among[0])
    try:
        return study.row_of(image_id)
    except InputError as error:
        st.warning(
            f"{error}. The first image of the selection is shown.",
            icon=":material/image_not_supported:",
        )
        return int(among[0])


def after_click(study: Study, row: int) -> int:
    """The row to show, after a click in the strip."""
    clicked = networks.row_clicked_in_strip()
    if clicked is None or clicked == row or not 0 <= clicked < len(study.images):
        return row
    show(study, clicked)
    return clicked


def show(study: Study, row: int) -> None:
    """Put an image into the address, which the page reads."""
    st.query_params["image"] = str(study.images["image_id"].iat[row])


def step(study: Study, among: np.ndarray, by: int) -> None:
    """Move by `by` in the selection, from the image in the address; a callback.

    Keys can be pressed faster than the page is drawn, so this counts from the address.
    """
    at = np.flatnonzero(among == row_in_address(study, among))
    position = int(at[0]) + by if len(at) else 0
    show(study, int(among[np.clip(position, 0, len(among) - 1)]))


def draw_steps(study: Study, row: int, among: np.ndarray) -> None:
    """Buttons for previous and next, the position in the selection, its order."""
    here = np.flatnonzero(among == row)
    position = int(here[0]) if len(here) else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Previous",
            icon=":material/chevron_left:",
            key="step_back",
            shortcut="Left",
            disabled=not position,
            on_click=step,
            args=(study, among, -1),
        )
        st.button(
            "Next",
            icon=":material/chevron_right:",
            key="step_on",
            shortcut="Right",
            disabled=position == len(among) - 1,
            on_click=step,
            args=(study, among, 1),
        )
        position_text = "not in" if position is None else f"**{position + 1:,}** of"
        if "among" in st.query_params:
            st.markdown(f"{position_text} {len(among):,} in the selection")
            st.button(
                f"All {filters.matching(study)}s",
                type="tertiary",
                icon=":material/close:",
                key="step_all",
                on_click=lambda: st.query_params.pop("among", None),
            )
        else:
            st.markdown(f"{position_text} {len(among):,}: {filters.text(study)}")
            st.selectbox(
                "Order",
                [LEAST, MOST, STORED],
                key="walk",
                bind="query-params",
                label_visibility="collapsed",
                width=200,
            )


def draw_picture(shown: Shown, look: str) -> None:
    """The image with label, prediction, metadata and flag. look: of `pick_panes`."""
    study, row = shown.study, shown.row
    label, predicted = (study.images["label"].iat[row], shown.table["predicted"].iat[row])
    given = "no label" if pd.isna(label) else f"label **{plain(label)}**"
    wrong = shown.label is not None and predicted != label
    st.markdown(
        f"{given} → predicted **{plain(predicted)}**" + (" :red[**✕ wrong**]" if wrong else "")
    )
    flagging.draw_decision(study, row)
    if study.meta.get("channels") and pictures.has_original(study, row):
        image_viewer(study, row, "one_viewer", look)
    else:
        panels.picture(study, row)
        if study.meta.get("channels"):
            st.caption(
                "The original files are missing from the folder in the study (`image_root` in "
                "study.json). This is the thumbnail, without channels and zoom."
            )
    flagging.flag_control(
        study,
        np.array([row]),
        "opened on One image",
        "one_flag",
        word="Flag this image",
        counted=False,
    )
    panels.facts(study, row)


def draw_distribution(shown: Shown) -> None:
    """Figures 1A and 1B, and a sentence about them."""
    study, row = shown.study, shown.row
    samples = samples_of(study, shown.method, row)
    mean = mean_softmax(study, shown.table, row)
    beside = None
    if shown.standard not in (None, shown.method):
        beside = figures.Average(
            mean_softmax(study, studies.table(study, shown.standard), row),
            method_of(shown.standard).short,
            method_of(shown.standard).colour,
        )
    st.markdown(prediction_sentence(shown, samples, mean))
    average = figures.Average(mean, method_of(shown.method).short, method_of(shown.method).colour)
    charts.draw(
        figures.distribution(average, study.classes, shown.label, samples=samples, beside=beside),
        key="one_distribution",
        config=style.chart_config("one_image"),
        alt=f"Softmax per class of image {image_id(shown)}: average highest for "
        f"{study.classes[int(mean.argmax())]}",
        of="one image",
        scored=False,
    )
    if samples is None:
        networks.no_samples(study)
    if shown.standard is None:
        st.caption("This study has no standard network to compare with.")


def draw_possible(shown: Shown) -> None:
    """The set of classes that holds the label with the chosen chance."""
    level = possible.pick()
    sets = possible.of_study(shown.study, shown.method)
    if not sets.enough:
        st.caption(
            f"Too few labelled compounds or images: {fewest_groups(level) + 1} are needed to say "
            f"which classes contain the label with a chance of {percent(level)}."
        )
        return
    classes = np.compress(sets.member[shown.row], shown.study.classes)
    names = ", ".join(f"**{plain(name)}**" for name in classes)
    # The promise is about images of known classes that were not used for training.
    known = shown.study.images["role"].iat[shown.row] == "scored"
    promise = (
        f"{percent(level)} of such sets contain the label"
        if known
        else "not guaranteed: this image is not a scored image of a known class"
    )
    st.markdown(f"Likely classes ({promise}): {names}.")
    if sets.unusual[shown.row]:
        st.caption(
            "No class is as likely as for other images of that class: the image is unusual, and only "
            "the predicted class is listed."
        )
    if len(classes) > 1 and not sets.by_class.all():
        st.caption(
            "Classes with few compounds share one limit: the chance holds on average over them."
        )


def prediction_sentence(shown: Shown, samples: np.ndarray | None, mean: np.ndarray) -> str:
    """The predictions for the image in one or two sentences."""
    classes = shown.study.classes
    top = int(mean.argmax())
    text = f"On average **{plain(classes[top])}** at {mean[top]:.3f}"
    if samples is not None:
        class_indices, votes = np.unique(samples.argmax(axis=1), return_counts=True)
        order = np.argsort(-votes)[:3]
        votes_text = ", ".join(
            f"{votes[i]:,} predict {plain(classes[class_indices[i]])}" for i in order
        )
        if rest := len(samples) - int(votes[order].sum()):
            votes_text += f", {rest:,} predict{'s' * (rest == 1)} another class"
        text = f"Of {len(samples):,} networks, {votes_text}. {text}"
    if shown.label is None:
        text += "; the image has no label."
    elif top == shown.label:
        text += ", the same as the label."
    else:
        text += (
            f"; the label **{plain(classes[shown.label])}** gets "
            f"{mean[shown.label]:.3f}: :red[**✕ wrong**]."
        )
    split = [float(shown.table[name].iat[shown.row]) for name in ("aleatoric", "epistemic")]
    if np.isfinite(split).all() and sum(split) > 0:
        share = split[1] / sum(split)
        text += (
            f" Of its uncertainty, {percent(share)} is epistemic (the networks disagree) and "
            f"{percent(1 - share)} aleatoric (each network is unsure)."
        )
    return text


def draw_effect(shown: Shown) -> None:
    """The average and the parts of the uncertainty against T, the number of networks."""
    samples = samples_of(shown.study, shown.method, shown.row)
    if samples is None:
        return
    st.header("How many networks does this image need?", anchor=False)
    averages = sample_views.running(samples)
    charts.draw(
        averaging.effect_of_samples(averages, shown.study.classes),
        key="one_effect",
        config=style.chart_config("effect_of_samples"),
        alt=f"Running average and uncertainty of image {image_id(shown)} against the number of "
        "networks",
        of="one image",
        scored=False,
    )
    st.caption(
        "Networks in the order of sampling. Bands: the range of 95 % of averages over as many "
        "other networks (1.96 standard errors)."
    )


def image_id(shown: Shown) -> str:
    """The name of the image."""
    return str(shown.study.images["image_id"].iat[shown.row])


def samples_of(study: Study, method: str, row: int) -> np.ndarray | None:
    """(T, C) samples of one image, or None where the study keeps none."""
    samples = study.samples(method)
    return None if samples is None else np.asarray(samples[row], dtype=np.float64)


def mean_softmax(study: Study, table: pd.DataFrame, row: int) -> np.ndarray:
    """(C,) mean softmax of one image."""
    return np.array([table[f"p_{name}"].iat[row] for name in study.classes], dtype=np.float64)


page()
