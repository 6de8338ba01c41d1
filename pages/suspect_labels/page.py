"""Suspect labels: groups that are consistently predicted as one other class, and why."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.measures.levels import LEVEL_COLUMNS, available_levels, scored_rows
from bnn_core.study.folder import Study
from bnn_core.suspects.ranking_wording import LOOKS_LIKE, has_interval, two_digits
from bnn_core.suspects.second_opinion import FILE, read_opinion
from bnn_core.suspects.suspect import Suspect
from pages.shared import choices, filters, flagging, frame, panels, rankings, studies, truth
from pages.shared.judged import none_passes
from pages.shared.words import plain
from pages.suspect_labels import suspect

SUSPECT = "suspect"
ALONE, FEATURES = "none", "measured features"
#: The order of the work: compounds first, single images last.
LEVELS = ("compound", "treatment", "well", "image")
HELP = """How much more the predictions look like those of another class than like those of the
label, corrected for the network's usual errors (a difference of two divergences). **1**: all
probability is on one wrong class where no error is expected. **0**: as similar to the other class
as to the label. **Below 0**: more similar to the label. Low *confidence* alone does not raise it.

The interval comes from resampling wells (or images) and compounds. It is wide for few wells. The
share of false alarms among high scores is *not* estimated: read the explanations."""


def main() -> None:
    """The page."""
    study = frame.current_study()
    levels = [level for level in LEVELS if level in available_levels(study.images)]
    level = levels[0]
    if len(levels) > 1:
        choices.fit("suspects", levels, levels[0])
        level = st.segmented_control(
            "Level",
            levels,
            key="suspects",
            default=levels[0],
            required=True,
            bind="query-params",
            label_visibility="collapsed",
            format_func=lambda name: f"{name}s",
            # The suspect in the address belongs to the previous level.
            on_change=lambda: st.query_params.pop(SUSPECT, None),
        )
    if level == "image":
        images(study)
    else:
        groups(study, level)
    truth.reveal(study, "suspects")


@frame.fragment
def images(study: Study) -> None:
    """Single images by label quality, most suspect first."""
    ranked = rankings.ranked_images(study)
    ranked = ranked[ranked["row"].isin(frame.filtered_rows())]
    if ranked.empty:
        nothing_scored(study)
        return
    known = [name for name in ("compound", "well") if name in available_levels(study.images)]
    st.caption(
        "Label quality is the mean probability of the given label"
        + (
            f", reduced where its {' or its '.join(known)} gets less than others of this label"
            if known
            else ""
        )
        + ". 0: the label does not fit, 1: it fits. Most suspect first."
    )
    shown = st.segmented_control(
        "Show",
        ["as images", "as a table"],
        key="suspects_as",
        default="as images",
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    if shown == "as a table":
        images_table(study, ranked)
        return
    panels.selection_panel(
        study,
        ranked["row"].to_numpy(),
        "suspect_images",
        "By label quality, most suspect first",
        ranking=False,
    )


def images_table(study: Study, ranked: pd.DataFrame) -> None:
    """The ranking as a table: ticked images can be flagged and exported, the last one is shown."""
    rows = ranked["row"].to_numpy()
    known = [
        name for name in ("compound", "concentration", "plate", "well") if name in study.images
    ]
    decisions = flagging.review_log().state(study)["decision"]
    table = pd.concat(
        [
            ranked.reset_index(drop=True).drop(columns="row"),
            study.images[known].iloc[rows].reset_index(drop=True),
        ],
        axis=1,
    )
    table["decision"] = [decisions.get(row, "") for row in rows]
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        actions = st.container(horizontal=True, gap="small")
        event = st.dataframe(
            table,
            key=f"suspect_images_table_{study.name}",
            hide_index=True,
            height=560,
            selection_mode="multi-row",
            on_select="rerun",
            column_order=[
                name
                for name in dict.fromkeys(
                    (
                        "compound",
                        "label",
                        "predicted",
                        "label_quality",
                        "decision",
                        "image_id",
                        "p_label",
                        "confidence",
                        *known,
                    )
                )
                if name in table
            ],
            column_config={
                "image_id": "Image",
                "label": "Label",
                "predicted": "Predicted",
                "label_quality": st.column_config.NumberColumn("Label quality", format="%.4f"),
                "p_label": st.column_config.NumberColumn("Probability of the label", format="%.4f"),
                "confidence": st.column_config.NumberColumn("Confidence c", format="%.3f"),
                "decision": st.column_config.Column("Decision", help="From the review list."),
                **{name: panels.METADATA[name] for name in known},
            },
        )
        chosen = rows[[i for i in event["selection"]["rows"] if i < len(rows)]]
        with actions:
            words = f"suspect images chosen by hand ({frame.filter_text()})"
            flagging.flag_control(study, chosen, words, "suspect_images_table_flag")
            panels.export_button(
                study, chosen, words, "suspect_images_table_export", "suspect images"
            )
    with right:
        panels.detail(
            study,
            int(chosen[-1] if len(chosen) else rows[0]),
            "suspect_images_table_detail",
            among=rows,
        )


@frame.fragment
def groups(study: Study, level: str) -> None:
    """The ranking of compounds, treatments or wells, and the chosen one in detail."""
    second = pick_opinion(study)
    ranked = rankings.ranking(study, level, second.table, second.name)
    shown = passing(study, ranked, level)
    if shown.empty:
        nothing_scored(study)
        return
    shown["title"] = titles(shown, level)
    at = index_in_address(shown)
    if (asked := st.query_params.get(SUSPECT)) and shown["title"].iat[at] != asked:
        st.caption(f"“{plain(asked)}” is not in this list. The first one is shown.")
    draw_table(study, shown, len(ranked), level, at)
    suspect.draw(
        study, shown.iloc[at], Suspect.of(shown.iloc[at], level), second, lambda: steps(shown, at)
    )


def pick_opinion(study: Study) -> suspect.Opinion:
    """The choice of a second opinion on the same compounds."""
    kept = study.path / FILE
    others = other_studies(study)
    # Another study is used only if it is chosen.
    options = [*([FEATURES] if kept.is_file() else []), ALONE, *others]
    if len(options) == 1:
        return suspect.Opinion()
    choices.fit("second", options, options[0])
    choice = st.selectbox(
        "Second opinion",
        options,
        key="second",
        bind="query-params",
        width=420,
        format_func=lambda name: f"study {name}" if name in others else name,
        help="With a second opinion the score is the lower of the two: both must predict the same "
        "wrong class. `bnn second-opinion STUDY FEATURES` fits a logistic regression to measured "
        "features. Another study of the same compounds works too.",
    )
    if choice == FEATURES:
        stamp = str(kept.stat().st_mtime_ns)
        return suspect.Opinion(f"{FEATURES} {stamp}", kept_opinion(str(kept), stamp, study))
    if choice == ALONE:
        return suspect.Opinion()
    other = studies.opened(choice)
    return suspect.Opinion(studies.identity(other), studies.table(other, other.reading_method))


def other_studies(study: Study) -> list[str]:
    """Studies of the cache with compounds that share at least two classes with this one."""
    names = []
    for entry in studies.entries():
        if entry.problem is None and entry.name != study.name:
            meta = studies.opened(entry.name).meta
            if (
                "compound" in (meta.get("levels") or ())
                and len(set(meta["classes"]) & set(study.classes)) > 1
            ):
                names.append(entry.name)
    return names if "compound" in available_levels(study.images) else []


def passing(study: Study, ranked: pd.DataFrame, level: str) -> pd.DataFrame:
    """Rows with at least one image that passes the filters; scores remain those of all images."""
    if not filters.any_set() or ranked.empty:
        return ranked.copy()
    keys = [*LEVEL_COLUMNS[level], "label"]
    left = study.images[keys].iloc[frame.filtered_rows()].drop_duplicates()
    return ranked.merge(left, on=keys).sort_values("rank", ignore_index=True)


def titles(ranked: pd.DataFrame, level: str) -> list[str]:
    """Names of the rows, with the label where one name has two labels."""
    names = pd.Series([Suspect.of(row, level).title for _, row in ranked.iterrows()])
    twice = names.duplicated(keep=False)
    return names.where(~twice, names + " (" + ranked["label"].astype(str) + ")").to_list()


def index_in_address(shown: pd.DataFrame) -> int:
    """Index of the row named in the address, 0 without one."""
    rows = np.flatnonzero(shown["title"] == st.query_params.get(SUSPECT))
    return int(rows[0]) if len(rows) else 0


def flagged_counts(study: Study, shown: pd.DataFrame, level: str) -> list[str]:
    """How many images of each row are on the review list: "4 of 12", or nothing."""
    keys = [*LEVEL_COLUMNS[level], "label"]
    table = frame.table(study, study.reading_method)
    flagged = table.index.isin(flagging.flagged_rows(study)) & scored_rows(table)
    flagged_by_row = table.loc[flagged, keys].value_counts(dropna=False)
    counts = shown[keys].merge(flagged_by_row.rename("n").reset_index(), on=keys, how="left")["n"]
    return [
        "" if pd.isna(n) else f"{int(n):,} of {total:,}"
        for n, total in zip(counts, shown["n_images"], strict=True)
    ]


def draw_table(study: Study, shown: pd.DataFrame, total: int, level: str, at: int) -> None:
    """The shown rows of a ranking of `total` rows; a click on a row opens it."""
    key = f"suspects_table_{level}"
    sure = [has_interval(row) for _, row in shown.iterrows()]
    table = pd.DataFrame(
        {
            "rank": shown["rank"],
            "title": shown["title"],
            "label": shown["label"],
            "suspected": shown["suspected"],
            "called": [
                f"{called:,} of {n:,}"
                for called, n in zip(shown["n_suspected"], shown["n_images"], strict=True)
            ],
            "score": shown["score"].round(2) + 0.0,  # no -0.00
            "interval": [
                f"{two_digits(low)} to {two_digits(high)}" if known else "too few units"
                for low, high, known in zip(shown["low"], shown["high"], sure, strict=True)
            ],
            "ranks": [
                "–" if not known else f"{low} to {high}" if low != high else str(low)
                for low, high, known in zip(
                    shown["rank_low"], shown["rank_high"], sure, strict=True
                )
            ],
            "wrong": [
                f"{wrong:,} of {n:,}"
                for wrong, n in zip(shown["n_wrong"], shown["n_images"], strict=True)
            ],
            "flagged": flagged_counts(study, shown, level),
            "units": [
                f"{n:,} {unit}{'s' * (n != 1)}"
                for n, unit in zip(shown["n_units"], shown["unit"], strict=True)
            ],
            "confidence": shown["mean_confidence"],
        }
    )
    number = st.column_config.NumberColumn
    # The row in view, also after a step by button or from an address.
    if key not in st.session_state or list(st.session_state[key]["selection"]["rows"]) != [at]:
        st.session_state[key] = {"selection": {"rows": [at]}}
    st.dataframe(
        table,
        key=key,
        hide_index=True,
        height=318,
        selection_mode="single-row-required",
        on_select=lambda: follow(shown, key),
        column_config={
            "rank": number("Rank", width=60),
            "title": level.capitalize(),
            "label": "Given label",
            "suspected": st.column_config.Column(
                "Most similar class",
                help=f"The class, other than the label, that the predictions look most like. "
                f"{LOOKS_LIKE}",
            ),
            "called": st.column_config.Column(
                "Predicted as it", help="Images that are predicted as the most similar class."
            ),
            "score": number("Score", format="%.2f", help=HELP),
            "interval": st.column_config.Column(
                "95 % interval",
                help="Too few units: one unit gives no interval, and with two or three it may span "
                "the whole scale.",
            ),
            "ranks": st.column_config.Column(
                "Rank, 95 %", help="Range of ranks when wells and compounds are resampled."
            ),
            "wrong": st.column_config.Column("Images wrong"),
            "units": st.column_config.Column(
                "Resampled",
                help="Images of one well are not independent. Without wells the interval is too "
                "narrow.",
            ),
            "confidence": number(
                "Mean c",
                format="%.2f",
                help="Mean confidence. Low confidence alone is no sign of a wrong label.",
            ),
            "flagged": st.column_config.Column("Flagged", help="Images on the review list."),
        },
    )
    part = f"{len(shown):,} of " if len(shown) != total and filters.any_set() else ""
    other = int((shown["score"] > 0).sum())
    st.caption(
        f"{part}{total:,} {level}s, by consistent disagreement. {other:,} "
        f"look{'s' * (other == 1)} more like another class than like "
        f"{'its' if other == 1 else 'their'} label (score above 0), corrected for the network's "
        "usual errors.",
        help=HELP,
    )


def follow(shown: pd.DataFrame, key: str) -> None:
    """Put the clicked row into the address."""
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        st.query_params[SUSPECT] = shown["title"].iat[int(rows[0])]


def steps(shown: pd.DataFrame, at: int) -> None:
    """Previous and next suspect."""

    def go(row: int) -> None:
        st.query_params[SUSPECT] = shown["title"].iat[row]

    st.button(
        "Previous",
        icon=":material/chevron_left:",
        key="suspect_back",
        shortcut="K",
        disabled=at == 0,
        on_click=go,
        args=(at - 1,),
    )
    st.button(
        "Next",
        icon=":material/chevron_right:",
        key="suspect_on",
        shortcut="J",
        disabled=at + 1 >= len(shown),
        on_click=go,
        args=(at + 1,),
    )


def nothing_scored(study: Study) -> None:
    """Why there is no ranking."""
    if none_passes():
        return
    if filters.any_set():
        st.info(
            "No remaining image has a label to check. Remove a filter in the sidebar.",
            icon=":material/filter_alt_off:",
        )
    else:
        st.info(
            f"No image of “{plain(study.name)}” has a label to check. The ranking needs labels, and "
            "at least two compounds.",
            icon=":material/label_off:",
        )


@st.cache_resource(max_entries=8, show_spinner=False)
def kept_opinion(path: str, stamp: str, _study: Study) -> pd.DataFrame:
    """The regression on measured features that `bnn second-opinion` left beside the study."""
    opinion = read_opinion(_study.path)
    if opinion is None:
        raise InputError(f"{_study.path / FILE} is gone; run 'bnn second-opinion' again")
    return opinion[0]


main()
