"""The sampled networks on many images: the strip of figure 1C, their accuracy, figure 6."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.wording import percent
from bnn_core.figures import averaging, style
from bnn_core.figures import samples as figures
from bnn_core.measures import sample_views, selection
from bnn_core.measures.levels import scored_rows
from bnn_core.recipes import kept
from bnn_core.study.folder import Study
from pages.shared import charts, filters, studies
from pages.shared.empty import empty
from pages.shared.wall import image_wall

STRIP_IMAGES = 200
#: Accuracy of single networks is measured on at most this many images.
MOST_MEASURED = 20_000
AT_RANDOM, UNSUREST, IN_STEP = "a random choice", "the least sure", "next in this selection"
STRIP_KEY, _SEEN = "strip_chart", "strip_seen"
NO_SAMPLES = """This study has only the average of the networks and no samples. The dots per class, the
strip and the effect of T need the samples. {remedy}"""


def draw_strip(
    study: Study,
    method: str,
    table: pd.DataFrame,
    row: int,
    among: np.ndarray,
    on_open: Callable[[int], None],
) -> None:
    """Figure 1C: the samples of 200 images side by side, including the image `row`.

    on_open: called with the row of an image clicked on the wall below.
    """
    samples = study.samples(method)
    if samples is None:
        return
    st.header("The same networks on other images", anchor=False)
    which = st.segmented_control(
        f"Which {STRIP_IMAGES} images",
        [AT_RANDOM, UNSUREST, IN_STEP],
        default=AT_RANDOM,
        key="strip",
        bind="query-params",
        required=True,
    )
    if which != IN_STEP and len(among) < 2:
        among = filters.passing(study)  # a selection of one image leaves no others to choose from
    rows = np.sort(strip_rows(table, row, among, which))
    labels = label_codes(studies.identity(study), method, study)[rows]
    predicted = sample_views.predicted_classes(samples[rows])
    averaged = table[[f"p_{name}" for name in study.classes]].iloc[rows].to_numpy().argmax(axis=1)
    order = sample_views.strip_order(predicted, labels)
    rows, labels, predicted, averaged = (a[order] for a in (rows, labels, predicted, averaged))
    figure = figures.strip(
        predicted,
        labels,
        study.classes,
        rows,
        study.images["image_id"].iloc[rows].astype(str).tolist(),
        averaged=averaged,
        current=row,
    )
    charts.draw(
        figure,
        key=STRIP_KEY,
        on_select="rerun",
        selection_mode="points",
        config=style.chart_config("samples_by_images"),
        alt=f"Predicted class of {predicted.shape[1]} networks for {len(rows)} images",
        of=f"{len(rows)} images",
        scored=False,
    )
    st.caption(
        "A column is one image, a row one network. Sorted by label, then by how many networks "
        "agree with it. Click a column to open its image. The same images are below."
    )
    image_wall(rows, key="strip_wall", height=190, selectable=False, on_open=on_open)


def row_clicked_in_strip() -> int | None:
    """The row of a column clicked since the last call, or None."""
    selected = (st.session_state.get(STRIP_KEY) or {}).get("selection") or {}
    points = selected.get("points") or []
    # The chart keeps its selection, which must not reopen an image that was left.
    new = points != st.session_state.get(_SEEN)
    st.session_state[_SEEN] = points
    if not points or not new:
        return None
    data = points[0].get("customdata")
    return int(data[0] if isinstance(data, list) else data)


def strip_rows(table: pd.DataFrame, row: int, among: np.ndarray, which: str) -> np.ndarray:
    """Up to 200 of the rows `among`, always including `row`."""
    others = among[among != row]
    most = STRIP_IMAGES - 1
    if which == AT_RANDOM:
        others = others[np.argsort(selection.drawing_order(len(table))[others])[:most]]
    elif which == UNSUREST:
        entropy = table["predictive_entropy"].to_numpy()[others]
        others = others[np.argsort(-entropy, kind="stable")[:most]]
    else:
        at = np.flatnonzero(among == row)
        start = max(0, min(int(at[0]) if len(at) else 0, len(others) - most))
        others = others[start : start + most]
    return np.append(others, row)


def draw_accuracies(study: Study, method: str) -> None:
    """Each single network's accuracy against that of their average."""
    st.header("How good is a single network?", anchor=False)
    if study.samples(method) is None:
        st.caption("This figure needs the samples of the single networks.")
        return
    figure, averaged, n = accuracy_figure(studies.identity(study), method, study)
    if not n:
        st.caption("No image of this study has a label, so there is no accuracy.")
        return
    charts.draw(
        figure,
        key="one_networks",
        config=style.chart_config("accuracy_per_network"),
        alt=f"Accuracy of each network; of their average {percent(averaged, 2)}",
        of=f"{n:,} scored images",
        scored=False,
    )
    total = int((label_codes(studies.identity(study), method, study) >= 0).sum())
    part = "" if n == total else f" of {total:,}, a fixed random choice"
    st.caption(
        f"On {n:,} scored images{part}, independent of the filters. The Bayesian prediction "
        "averages the softmax of all these networks."
    )


def draw_sample_size(study: Study) -> None:
    """Figure 6: accuracy against the number of networks averaged."""
    st.header("How many networks are enough?", anchor=False)
    table = repeats_by_size(studies.identity(study), study)
    if table is None:
        st.caption(
            "Figure 6 of the paper needs labels and more than five samples of a Bayesian network."
        )
        return
    n, pool = int(table["n_images"].iat[0]), int(table["pool"].iat[0])
    charts.draw(
        sample_size_figure(studies.identity(study), table),
        key="one_sample_size",
        config=style.chart_config("sample_size"),
        alt="Accuracy against the number of networks averaged",
        of=f"{n:,} images",
        scored=False,
    )
    st.caption(
        f"Each dot is one repeat: T networks drawn from one pool of {pool:,}, on the same "
        f"{n:,} images. Repeats of a large T share many networks, so they are closer "
        "together than independent pools."
    )


def no_samples(study: Study) -> None:
    """A message: the study has no samples, and the remedy."""
    remedy = (
        "`bnn import FILE --samples SAMPLES` adds them."
        if study.meta["kind"] == "import"
        else "`bnn study` keeps samples: make the study again."
    )
    empty("points", NO_SAMPLES.format(remedy=remedy), ":material/scatter_plot:")


@st.cache_resource(max_entries=8, show_spinner=False)
def label_codes(identity: str, method: str, _study: Study) -> np.ndarray:
    """(N,) class index of each label that an accuracy counts, -1 for the other images."""
    table = studies.table(_study, method)
    codes = pd.Index(_study.classes).get_indexer(table["label"].astype(object))
    return np.where(scored_rows(table), codes, -1)


@st.cache_resource(max_entries=8, show_spinner="Computing each network's accuracy")
def accuracy_figure(
    identity: str, method: str, _study: Study
) -> tuple[go.Figure | None, float, int]:
    """The figure, accuracy of the average, and the number of images of both."""
    codes = label_codes(identity, method, _study)
    known = np.flatnonzero(codes >= 0)
    if not len(known):
        return None, np.nan, 0
    if len(known) > MOST_MEASURED:
        order = selection.drawing_order(len(codes))[known]
        known = np.sort(known[np.argsort(order)[:MOST_MEASURED]])
    measured = np.full(len(codes), -1)
    measured[known] = codes[known]
    single = sample_views.network_accuracy(_study.samples(method), measured)
    averaged = float(studies.table(_study, method)["correct"].iloc[known].astype(float).mean())
    return averaging.network_accuracies(single, averaged, len(known)), averaged, len(known)


@st.cache_resource(max_entries=8, show_spinner="Averaging the networks")
def repeats_by_size(identity: str, _study: Study) -> pd.DataFrame | None:
    """`kept.measured_sample_size`."""
    return kept.measured_sample_size(_study)


@st.cache_resource(max_entries=8, show_spinner=False)
def sample_size_figure(identity: str, _table: pd.DataFrame) -> go.Figure:
    """Figure 6, the same object for every image of a study."""
    return averaging.sample_size(_table)
