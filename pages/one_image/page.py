"""One image (figures 1A-C and 6): why is the network unsure of this one?"""

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.methods import method_of
from bnn_core.figures import averaging, style
from bnn_core.figures import samples as figures
from bnn_core.measures import neighbours, sample_views
from bnn_core.study.folder import Study
from pages.one_image import networks
from pages.one_image.viewer import image_viewer
from pages.shared import flagging, frame, panels, pictures, studies
from pages.shared.judged import none_passes
from pages.shared.wall import image_wall
from pages.shared.words import plain

NEIGHBOURS = 12
LEAST, MOST, STORED = "highest entropy first", "lowest entropy first", "as stored"


class Shown(NamedTuple):
    """The image in view and what the page needs of its study."""

    study: Study
    row: int
    method: str
    standard: str | None
    table: pd.DataFrame
    label: int | None


def main() -> None:
    """The page."""
    explore(frame.current_study())


@st.fragment
def explore(study: Study) -> None:
    """Everything about the image in the address; a step to the next one reruns only this."""
    among = frame.among_rows()
    if not len(among) and none_passes():
        return
    method = study.reading_method
    table = frame.table(study, method)
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
    left, right = st.columns([1, 1.75], gap="large")
    with left:
        draw_picture(shown)
    with right:
        draw_distribution(shown)
        draw_effect(shown)
    draw_neighbours(shown)
    networks.draw_strip(study, method, table, row, among, partial(show, study))
    left, right = st.columns(2, gap="large")
    with left:
        networks.draw_accuracies(study, method)
    with right:
        networks.draw_sample_size(study)


def walked(study: Study, among: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """The rows that previous and next go through: a selection in its order, else as chosen here."""
    if "among" in st.query_params:
        return among
    # The picker stands after the buttons that need the order, so a fresh link is read here.
    order = st.session_state.get("walk") or st.query_params.get("walk")
    order = order if order in (LEAST, MOST, STORED) else LEAST
    return ordered(studies.identity(study), frame.filter_key(), order, among, table)


@st.cache_resource(max_entries=16, show_spinner=False)
def ordered(
    identity: str, key: str, order: str, _among: np.ndarray, _table: pd.DataFrame
) -> np.ndarray:
    """The filtered rows by the entropy of the average, which does not fold back as c does."""
    if order == STORED:
        return _among
    entropy = _table["predictive_entropy"].to_numpy()[_among]
    return _among[np.argsort(-entropy if order == LEAST else entropy, kind="stable")]


def row_in_address(study: Study, among: np.ndarray) -> int:
    """The row that ?image= names; the first of the selection where it names none."""
    image_id = st.query_params.get("image")
    if image_id is None:
        return int(among[0])
    try:
        return study.row_of(image_id)
    except InputError as error:
        st.warning(
            f"{error}. This is the first one of the selection.",
            icon=":material/image_not_supported:",
        )
        return int(among[0])


def after_click(study: Study, row: int) -> int:
    """The row in view once a click in the strip in the last run is followed."""
    clicked = networks.row_clicked_in_strip()
    if clicked is None or clicked == row or not 0 <= clicked < len(study.images):
        return row
    show(study, clicked)
    return clicked


def show(study: Study, row: int) -> None:
    """Put an image into the address; the page reads it from there."""
    st.query_params["image"] = str(study.images["image_id"].iat[row])


def step(study: Study, among: np.ndarray, by: int) -> None:
    """Go on or back in the selection from the image that is in the address by now.

    Keys may come faster than the page is drawn, so this counts from the address.
    """
    here = np.flatnonzero(among == row_in_address(study, among))
    place = int(here[0]) + by if len(here) else 0
    show(study, int(among[np.clip(place, 0, len(among) - 1)]))


def draw_steps(study: Study, row: int, among: np.ndarray) -> None:
    """Previous, next, where in the selection, and in which order."""
    here = np.flatnonzero(among == row)
    place = int(here[0]) if len(here) else None
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Previous",
            icon=":material/chevron_left:",
            key="step_back",
            shortcut="Left",
            disabled=not place,
            on_click=step,
            args=(study, among, -1),
        )
        st.button(
            "Next",
            icon=":material/chevron_right:",
            key="step_on",
            shortcut="Right",
            disabled=place == len(among) - 1,
            on_click=step,
            args=(study, among, 1),
        )
        position = "not in" if place is None else f"**{place + 1:,}** of"
        if "among" in st.query_params:
            st.markdown(f"{position} {len(among):,} in the selection")
            st.button(
                "All filtered images",
                type="tertiary",
                icon=":material/close:",
                key="step_all",
                on_click=lambda: st.query_params.pop("among", None),
            )
        else:
            st.markdown(f"{position} {len(among):,}: {frame.filter_text()}")
            st.selectbox(
                "Order",
                [LEAST, MOST, STORED],
                key="walk",
                bind="query-params",
                label_visibility="collapsed",
                width=200,
            )


def draw_picture(shown: Shown) -> None:
    """The image, its verdict, what is known of it, and the flag."""
    study, row = shown.study, shown.row
    label, predicted = (study.images["label"].iat[row], shown.table["predicted"].iat[row])
    given = "no label" if pd.isna(label) else f"label **{plain(label)}**"
    wrong = shown.label is not None and predicted != label
    st.markdown(
        f"{given} → predicted **{plain(predicted)}**" + (" :red[**✕ wrong**]" if wrong else "")
    )
    flagging.draw_decision(study, row)
    if study.meta.get("channels") and pictures.has_original(study, row):
        image_viewer(study, row, "one_viewer")
    else:
        panels.picture(study, row)
        if study.meta.get("channels"):
            st.caption(
                "The original files are not where the study says (`image_root` in "
                "study.json), so this is the thumbnail: no channels, no zoom."
            )
    flagging.flag_control(
        study, np.array([row]), "looked at alone", "one_flag", word="Flag this image", counted=False
    )
    panels.facts(study, row)


def draw_distribution(shown: Shown) -> None:
    """Figures 1A and 1B, and a sentence that says what they show."""
    study, row = shown.study, shown.row
    samples = samples_of(study, shown.method, row)
    mean = probabilities(study, shown.table, row)
    beside = None
    if shown.standard not in (None, shown.method):
        beside = figures.Average(
            probabilities(study, frame.table(study, shown.standard), row),
            method_of(shown.standard).short,
            method_of(shown.standard).colour,
        )
    st.markdown(sentence(shown, samples, mean))
    average = figures.Average(mean, method_of(shown.method).short, method_of(shown.method).colour)
    st.plotly_chart(
        figures.distribution(average, study.classes, shown.label, samples=samples, beside=beside),
        key="one_distribution",
        config=style.chart_config("one_image"),
        alt=f"Softmax per class: average highest for {study.classes[int(mean.argmax())]}",
    )
    if samples is None:
        networks.no_samples(study)
    if shown.standard is None:
        st.caption("There is no standard network in this study to compare with.")


def sentence(shown: Shown, samples: np.ndarray | None, mean: np.ndarray) -> str:
    """What the networks say of the image, in one or two sentences."""
    classes = shown.study.classes
    top = int(mean.argmax())
    text = f"On average **{plain(classes[top])}** at {mean[top]:.3f}"
    if samples is not None:
        found, votes = np.unique(samples.argmax(axis=1), return_counts=True)
        order = np.argsort(-votes)[:3]
        said = ", ".join(f"{votes[i]:,} say {plain(classes[found[i]])}" for i in order)
        text = f"Of {len(samples):,} networks {said}. {text}"
    if shown.label is None:
        text += "; the image has no label."
    elif top == shown.label:
        text += ", as the label says."
    else:
        text += (
            f"; the label **{plain(classes[shown.label])}** gets "
            f"{mean[shown.label]:.3f}: :red[**✕ wrong**]."
        )
    split = [float(shown.table[name].iat[shown.row]) for name in ("aleatoric", "epistemic")]
    if np.isfinite(split).all() and sum(split) > 0:
        share = split[1] / sum(split)
        text += (
            f" {share:.0%} of its uncertainty is epistemic (the networks disagree), "
            f"{1 - share:.0%} aleatoric (they agree on being unsure)."
        )
    return text


def draw_effect(shown: Shown) -> None:
    """How the average and the split of the uncertainty settle with T."""
    samples = samples_of(shown.study, shown.method, shown.row)
    if samples is None:
        return
    st.subheader("How many networks does this image need?", anchor=False)
    found = sample_views.running(samples)
    st.plotly_chart(
        averaging.effect_of_samples(found, shown.study.classes),
        key="one_effect",
        config=style.chart_config("effect_of_samples"),
        alt="Running average and uncertainty against the number of networks",
    )
    st.caption(
        "In the order in which the networks were drawn. Bands: where 95 % of averages over "
        "that many other networks would lie (1.96 standard errors)."
    )


def draw_neighbours(shown: Shown) -> None:
    """Images that look alike to the network."""
    st.subheader("Images that look alike to the network", anchor=False)
    embedding = shown.study.embedding
    if embedding is None:
        st.caption(
            "This study keeps no embedding (`embedding.npy`), so there is no measure of "
            "likeness; `bnn study` keeps one, predictions from elsewhere have none."
        )
        return
    kind = st.segmented_control(
        "Compare with images of",
        neighbours.KINDS,
        key="alike",
        default=neighbours.ANOTHER_LABEL,
        bind="query-params",
        required=True,
    )
    rows = neighbour_rows(studies.identity(shown.study), shown.row, kind, shown)
    if not len(rows):
        st.caption(
            "There is none of that kind that the same network embedded: in a "
            "cross-validated study every fold has its own network, and distances between "
            "two networks mean nothing."
        )
        return
    image_wall(
        rows,
        key="alike_wall",
        selectable=False,
        on_open=partial(show, shown.study),
        flagged=flagging.flagged_rows(shown.study),
    )
    st.caption(
        "Closest first, by Euclidean distance in the last hidden layer of the network with "
        "mean weights."
    )


@st.cache_resource(max_entries=200, show_spinner=False)
def neighbour_rows(identity: str, row: int, kind: str, _shown: Shown) -> np.ndarray:
    """The closest images of one kind."""
    others = neighbours.candidates(_shown.study.images, _shown.table["predicted"], row, kind)
    return neighbours.nearest(_shown.study.embedding, row, others, NEIGHBOURS)[0]


def samples_of(study: Study, method: str, row: int) -> np.ndarray | None:
    """(T, C) samples of one image, or None where the study keeps none."""
    samples = study.samples(method)
    return None if samples is None else np.asarray(samples[row], dtype=np.float64)


def probabilities(study: Study, table: pd.DataFrame, row: int) -> np.ndarray:
    """(C,) mean softmax of one image."""
    return np.array([table[f"p_{name}"].iat[row] for name in study.classes], dtype=np.float64)


main()
