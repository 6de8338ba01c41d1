"""Two panels that pages share: one image, and a selection of images."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from markupsafe import Markup

from bnn_core.base.methods import method_of
from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.base.wording import percent
from bnn_core.measures.levels import unlearned_rows, wrong_rows
from bnn_core.review import exporting
from bnn_core.study.folder import Study
from pages.shared import choices, filters, frame, pictures, possible, studies
from pages.shared.flagging import draw_decision, flag_control, flagged_rows, review_log
from pages.shared.html import rendered
from pages.shared.wall import image_wall, thumbnail_side
from pages.shared.words import plain

#: Number of classes shown as bars: the likeliest ones, and always the label.
MOST_BARS = 6
#: Metadata of an image, in reading order.
METADATA = {
    "image_id": "Image",
    "plate": "Plate",
    "well": "Well",
    "site": "Site",
    "replicate": "Replicate",
    "batch": "Batch",
    "compound": "Compound",
    "concentration": "Concentration (µM)",
    "moa": "Mechanism",
    "role": "Role",
    "fold": "Fold",
}
#: How a selection can be ordered: words -> (column of the table, ascending) or None.
RANKINGS = {
    "most confident first": (DEFAULT_SCORE, False),
    "least confident first": (DEFAULT_SCORE, True),
    "label least likely first": ("p_label", True),
    "highest entropy first": ("predictive_entropy", False),
    "highest epistemic first": ("epistemic", False),
    "in the study's order": None,
}


def detail(
    study: Study,
    row: int,
    key: str,
    among: np.ndarray | None = None,
    methods: Sequence[str] | None = None,
    wide: bool = False,
) -> None:
    """One image beside a chart: image, both networks' distributions, metadata, scores, flag.

    `among`: the rows that previous and next on One image walk through; None: the filtered ones.
    `methods`: of the distributions and scores; None: the Bayesian and the standard network.
    `wide`: in columns, below a chart instead of beside it.
    """
    tables = _tables(study, methods)
    columns = st.columns([1, 1, 1.15], gap="medium") if wide else [st.container()] * 3
    with columns[0]:
        _picture_with_actions(study, row, key, among, next(iter(tables.values())).iloc[[row]])
    columns[1].html(_bars(study, row, tables))
    if wide:
        columns[2].html(_scores(row, tables))
        facts = _known_metadata(study, row)
        st.caption(" · ".join(f"{plain(name)} **{plain(value)}**" for name, value in facts.items()))
    else:
        st.html(_metadata(study, row))
        # Folded: beside a wall the long table would leave a hole below the wall.
        with st.expander("All scores", key=f"{key}_all_scores"):
            st.html(_scores(row, tables))


def _picture_with_actions(
    study: Study, row: int, key: str, among: np.ndarray | None, summary: pd.DataFrame
) -> None:
    """The image below its label and prediction; the link to One image and the flag.

    summary: the row of a method's table.
    """
    given, predicted = summary["label"].iat[0], summary["predicted"].iat[0]
    label = "no label" if pd.isna(given) else f"**{plain(given)}**"
    verdict = ""
    if wrong_rows(summary)[0]:
        verdict = " :red[**✕ wrong**]"
    elif unlearned_rows(summary)[0]:
        verdict = " (this label was absent from training)"
    st.markdown(f"{label} → **{plain(predicted)}**{verdict}")
    draw_decision(study, row)
    picture(study, row)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            frame.ONE_IMAGE,
            label="Open in One image",
            icon=":material/open_in_full:",
            query_params=frame.image_link(study, row, among),
            width="content",
        )
        flag_control(
            study,
            np.array([row]),
            filters.text(study),
            f"{key}_flag",
            word="Flag this image",
            counted=False,
        )


def facts(study: Study, row: int) -> None:
    """Scores of both networks and the image's metadata, in two small tables."""
    st.html(_scores(row, _tables(study)) + _metadata(study, row))


def picture(study: Study, row: int) -> None:
    """The image as large as its column allows, or a line that there is none."""
    image_id = str(study.images["image_id"].iat[row])
    if not study.has_thumbnail(row) and study.image_file(row) is None:
        st.caption(f"The study has no picture of {plain(image_id)}.")
        return
    st.html(
        rendered(
            "shared/templates/image.html",
            url=frame.image_url(study, row, "full"),
            thumbnail=frame.image_url(study, row) if study.has_thumbnail(row) else None,
            image_id=image_id,
            pixelated=thumbnail_side(study) <= pictures.PIXEL_ART,
        )
    )


def selection_panel(
    study: Study,
    rows: np.ndarray,
    key: str,
    title: str,
    *,
    ranking: bool = True,
    method: str | None = None,
    methods: Sequence[str] | None = None,
    caption: str | None = None,
) -> None:
    """A selection: 'n of N', a ranked wall, export of exactly these rows, flag.

    rows: row numbers in any order. title: the selection in words, for the heading and, with the
    filters, for the exported file. ranking: the user may order the rows; False keeps their order.
    method: of the predictions in the captions; None: the Bayesian method, else the first. methods:
    of the distributions beside the opened image, see `detail`. caption: the score below each
    image; None: c.
    """
    rows = np.asarray(rows, dtype=np.int64)
    total = len(filters.passing(study))
    left, right = st.columns([2, 1], gap="medium")
    with left:
        st.markdown(f"**{plain(title)}**: {len(rows):,} of {total:,} {study.noun}s")
        actions = st.container(horizontal=True, vertical_alignment="center", gap="small")
        if ranking:
            rows = _ordered(study, method, rows, actions, key)
        result = image_wall(
            rows,
            key=f"{key}_wall",
            method=method,
            height=640,
            caption=caption,
            flagged=flagged_rows(study),
        )
        chosen = np.array(result.selected, dtype=np.int64)
        acted = chosen if len(chosen) else rows
        words = f"{title} ({filters.text(study)})"
        if len(chosen):
            words = f"{len(chosen):,} chosen by hand from: {words}"
        with actions:
            flag_control(study, acted, words, f"{key}_flag")
            export_button(study, acted, words, f"{key}_export", title)
        st.caption(
            "Click opens, Ctrl-click or the tick selects, Shift extends. By keyboard: arrows, "
            "Enter, Space."
        )
    if len(rows):
        with right:
            shown = result.opened if result.opened is not None else int(rows[0])
            detail(study, shown, f"{key}_detail", among=rows, methods=methods)


def _ordered(
    study: Study,
    method: str | None,
    rows: np.ndarray,
    actions: st.delta_generator.DeltaGenerator,
    key: str,
) -> np.ndarray:
    table = studies.table(study, method or study.reading_method)
    usable = [
        words
        for words, by in RANKINGS.items()
        if by is None or (by[0] in table and table[by[0]].iloc[rows].notna().any())
    ]
    choices.restrict(f"{key}_order", usable, usable[0])
    chosen = actions.selectbox(
        "Order", usable, key=f"{key}_order", label_visibility="collapsed", width=230
    )
    return ranked(table, rows, chosen)


def ranked(table: pd.DataFrame, rows: np.ndarray, ranking: str) -> np.ndarray:
    """`rows` in the order of one of RANKINGS; equal ones and missing ones stay in study order."""
    by = RANKINGS[ranking]
    if by is None:
        return np.sort(rows)
    rows = np.sort(rows)
    values = table[by[0]].iloc[rows].to_numpy(dtype=np.float64)
    return rows[np.argsort(values if by[1] else -values, kind="stable")]


def export_button(study: Study, rows: np.ndarray, words: str, key: str, name: str) -> None:
    """Downloads exactly these rows as CSV, with the filter that selected them; created on the click.

    name: what the rows are, for the file's name.
    """
    log = review_log()
    st.download_button(
        f"Export {len(rows):,}" if len(rows) else "Export",
        key=key,
        icon=":material/download:",
        on_click="ignore",
        disabled=len(rows) == 0,
        data=lambda: exporting.export_bytes(
            study, log, rows=rows.tolist(), filter=words, chance=possible.chance()
        ),
        file_name=file_name(f"{study.name}-{name}"),
        mime="text/csv",
        help="A CSV file for Excel: image, label, prediction, scores, decisions, and the filter.",
    )


def file_name(words: str) -> str:
    """Words as a CSV file name that is valid on every system."""
    return (re.sub(r"[^\w.]+", "-", words).strip("-.")[:80].rstrip("-.") or "selection") + ".csv"


def _tables(study: Study, methods: Sequence[str] | None = None) -> dict[str, pd.DataFrame]:
    """Tables of `methods`; None: the Bayesian network's before the standard one's."""
    if methods is None:
        pair = [study.bayes_method, study.standard_method]
        methods = [m for m in pair if m is not None] or [study.reading_method]
    return {m: studies.table(study, m) for m in methods}


def _bars(study: Study, row: int, tables: dict[str, pd.DataFrame]) -> Markup:
    columns = [f"p_{name}" for name in study.classes]
    p = {m: t[columns].iloc[row].to_numpy(dtype=np.float64) for m, t in tables.items()}
    highest = np.max(list(p.values()), axis=0)
    label = study.images["label"].iat[row]
    order = [int(i) for i in np.argsort(-highest, kind="stable")[:MOST_BARS]]
    if label in study.classes and study.classes.index(label) not in order:
        order[-1] = study.classes.index(label)
    shown = [
        {
            "name": study.classes[i],
            "is_label": study.classes[i] == label,
            "bars": [
                {
                    "share": values[i],
                    "colour": method_of(m).colour,
                    "text": percent(values[i], 1),
                }
                for m, values in p.items()
            ],
        }
        for i in order
    ]
    left = {m: percent(max(1 - float(values[order].sum()), 0), 1) for m, values in p.items()}
    if len(set(left.values())) > 1:
        left = {m: f"{share} ({method_of(m).short})" for m, share in left.items()}
    return rendered(
        "shared/templates/class_bars.html",
        classes=shown,
        rest=len(study.classes) - len(order),
        left=" and ".join(dict.fromkeys(left.values())),
    )


def _scores(row: int, tables: dict[str, pd.DataFrame]) -> Markup:
    lines = {}
    for name, score in SCORES.items():
        values = [float(t[name].iat[row]) if name in t else np.nan for t in tables.values()]
        if not all(np.isnan(values)):
            lines[score.title] = ["–" if np.isnan(v) else f"{v:.3f}" for v in values]
    return by_method(list(tables), lines)


def _metadata(study: Study, row: int) -> Markup:
    return rendered("shared/templates/key_values.html", facts=_known_metadata(study, row))


def _known_metadata(study: Study, row: int) -> dict[str, str]:
    facts = {}
    for name, words in METADATA.items():
        value = study.images[name].iat[row] if name in study.images else None
        if name == "fold" and study.images["fold"].nunique() < 2:
            continue  # all images have the same fold, as in a table without folds
        if name == "fold" and value == -1:
            facts[words] = "mean of all"
        elif value is not None and not pd.isna(value):
            facts[words] = f"{value:g}" if isinstance(value, float) else str(value)
    return facts


def by_method(
    methods: list[str], lines: dict[str, list[str]], meanings: dict[str, str] | None = None
) -> Markup:
    """A table with one column per method; `meanings` are the tooltips of the rows."""
    return rendered(
        "shared/templates/by_method.html",
        methods=[method_of(m) for m in methods],
        lines=lines,
        meanings=meanings or {},
    )
