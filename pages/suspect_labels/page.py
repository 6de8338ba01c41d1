"""Suspect labels: what is called one other class all the time, and every reading of why."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.measures.levels import LEVEL_COLUMNS, available_levels, scored_rows
from bnn_core.study.folder import Study
from bnn_core.suspects.explanations import LOOKS_LIKE, Suspect, has_interval, two_digits
from bnn_core.suspects.second_opinion import FILE, read_opinion
from pages.shared import choices, filters, flagging, frame, panels, rankings, studies, truth
from pages.shared.judged import none_passes
from pages.shared.words import plain
from pages.suspect_labels import suspect

SUSPECT = "suspect"
ALONE, FEATURES = "none", "measured features"
#: The order of the work: compounds first, single images last.
LEVELS = ("compound", "treatment", "well", "image")
HELP = """How much more the predictions look like those of another class than like those of the
label, given how this network treats both, its usual errors included (a difference of two
divergences). **1**: all probability is on one wrong class where no error was expected. **0**: as
much like the other class as like its own. **Below 0**: more like its own. A low *confidence* alone
does nothing.

The interval comes from drawing wells (or images) and compounds again and again. It is wide for few
wells. How many of the high scores are false alarms is *not* estimated: look at the readings."""


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
            # The suspect in the address is one of the level that was left.
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
            f", less where its {' and its '.join(known)} fell short of what others of this "
            "label get"
            if known
            else ""
        )
        + ": 0 = the label does not fit at all, 1 = it fits. Most suspect first."
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
    """The ranking in words: what is ticked can be flagged and exported, the last one is shown."""
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
                "label": "Given",
                "predicted": "Predicted",
                "label_quality": st.column_config.NumberColumn("Label quality", format="%.4f"),
                "p_label": st.column_config.NumberColumn("Probability of the label", format="%.4f"),
                "confidence": st.column_config.NumberColumn("Confidence c", format="%.3f"),
                "decision": st.column_config.Column("Decision", help="Of the review list."),
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
    """The ranking of compounds, treatments or wells, and the one that was chosen."""
    second = pick_opinion(study)
    ranked = rankings.ranking(study, level, second.table, second.name)
    found = passing(study, ranked, level)
    if found.empty:
        nothing_scored(study)
        return
    found["title"] = titles(found, level)
    at = place_of(found)
    if (asked := st.query_params.get(SUSPECT)) and found["title"].iat[at] != asked:
        st.caption(f"“{plain(asked)}” is not among these; this is the first.")
    draw_table(study, found, len(ranked), level, at)
    suspect.draw(
        study, found.iloc[at], Suspect.of(found.iloc[at], level), second, lambda: steps(found, at)
    )


def pick_opinion(study: Study) -> suspect.Opinion:
    """Who else is asked about the same compounds."""
    kept = study.path / FILE
    others = other_studies(study)
    # One of another study is never taken unasked.
    options = [*([FEATURES] if kept.is_file() else []), ALONE, *others]
    if len(options) == 1:
        return suspect.Opinion()
    choices.fit("second", options, options[0])
    said = st.selectbox(
        "Second opinion",
        options,
        key="second",
        bind="query-params",
        width=420,
        format_func=lambda name: f"study {name}" if name in others else name,
        help="With a second opinion the score is the lower one of the two: both must call it the "
        "same wrong class. `bnn second-opinion STUDY FEATURES` asks a logistic regression on "
        "measured features; another study over the same compounds will do too.",
    )
    if said == FEATURES:
        stamp = str(kept.stat().st_mtime_ns)
        return suspect.Opinion(f"{FEATURES} {stamp}", kept_opinion(str(kept), stamp, study))
    if said == ALONE:
        return suspect.Opinion()
    other = studies.opened(said)
    return suspect.Opinion(studies.identity(other), studies.table(other, other.reading_method))


def other_studies(study: Study) -> list[str]:
    """Studies of the cache that know compounds and share at least two classes with this one."""
    found = []
    for entry in studies.entries():
        if entry.problem is None and entry.name != study.name:
            meta = studies.opened(entry.name).meta
            if (
                "compound" in (meta.get("levels") or ())
                and len(set(meta["classes"]) & set(study.classes)) > 1
            ):
                found.append(entry.name)
    return found if "compound" in available_levels(study.images) else []


def passing(study: Study, found: pd.DataFrame, level: str) -> pd.DataFrame:
    """Those with at least one image that passes the filters; scores stay those of all images."""
    if not filters.any_set() or found.empty:
        return found.copy()
    keys = [*LEVEL_COLUMNS[level], "label"]
    left = study.images[keys].iloc[frame.filtered_rows()].drop_duplicates()
    return found.merge(left, on=keys).sort_values("rank", ignore_index=True)


def titles(found: pd.DataFrame, level: str) -> list[str]:
    """What the rows are called; one compound under two labels says which."""
    names = pd.Series([Suspect.of(row, level).title for _, row in found.iterrows()])
    twice = names.duplicated(keep=False)
    return names.where(~twice, names + " (" + found["label"].astype(str) + ")").to_list()


def place_of(found: pd.DataFrame) -> int:
    """Which row the address names; the first where it names none."""
    here = np.flatnonzero(found["title"] == st.query_params.get(SUSPECT))
    return int(here[0]) if len(here) else 0


def flagged_counts(study: Study, found: pd.DataFrame, level: str) -> list[str]:
    """How many images of each row are on the review list: "4 of 12", or nothing."""
    keys = [*LEVEL_COLUMNS[level], "label"]
    table = frame.table(study, study.reading_method)
    flagged = table.index.isin(flagging.flagged_rows(study)) & scored_rows(table)
    own = table.loc[flagged, keys].value_counts(dropna=False)
    counts = found[keys].merge(own.rename("n").reset_index(), on=keys, how="left")["n"]
    return [
        "" if pd.isna(n) else f"{int(n):,} of {total:,}"
        for n, total in zip(counts, found["n_images"], strict=True)
    ]


def draw_table(study: Study, found: pd.DataFrame, total: int, level: str, at: int) -> None:
    """Those `found` of a ranking of `total`; a click on a row opens it."""
    key = f"suspects_table_{level}"
    sure = [has_interval(row) for _, row in found.iterrows()]
    table = pd.DataFrame(
        {
            "rank": found["rank"],
            "title": found["title"],
            "label": found["label"],
            "suspected": found["suspected"],
            "called": [
                f"{called:,} of {n:,}"
                for called, n in zip(found["n_suspected"], found["n_images"], strict=True)
            ],
            "score": found["score"].round(2) + 0.0,  # no -0.00
            "interval": [
                f"{two_digits(low)} to {two_digits(high)}" if known else "too few units"
                for low, high, known in zip(found["low"], found["high"], sure, strict=True)
            ],
            "ranks": [
                "–" if not known else f"{low} to {high}" if low != high else str(low)
                for low, high, known in zip(
                    found["rank_low"], found["rank_high"], sure, strict=True
                )
            ],
            "wrong": [
                f"{wrong:,} of {n:,}"
                for wrong, n in zip(found["n_wrong"], found["n_images"], strict=True)
            ],
            "flagged": flagged_counts(study, found, level),
            "units": [
                f"{n:,} {unit}{'s' * (n != 1)}"
                for n, unit in zip(found["n_units"], found["unit"], strict=True)
            ],
            "confidence": found["mean_confidence"],
        }
    )
    number = st.column_config.NumberColumn
    # The row in view, also after a step by button or an address from elsewhere.
    if key not in st.session_state or list(st.session_state[key]["selection"]["rows"]) != [at]:
        st.session_state[key] = {"selection": {"rows": [at]}}
    st.dataframe(
        table,
        key=key,
        hide_index=True,
        height=318,
        selection_mode="single-row-required",
        on_select=lambda: follow(found, key),
        column_config={
            "rank": number("Rank", width=60),
            "title": level.capitalize(),
            "label": "Given label",
            "suspected": st.column_config.Column(
                "Nearest other class",
                help=f"The class that the predictions look most like beside "
                f"the label. {LOOKS_LIKE}",
            ),
            "called": st.column_config.Column(
                "Called so", help="Images that are predicted as the nearest other class."
            ),
            "score": number("Score", format="%.2f", help=HELP),
            "interval": st.column_config.Column(
                "95 % interval",
                help="Too few units: from one there is none, and from two or "
                "three it may span the whole scale, which says nothing.",
            ),
            "ranks": st.column_config.Column(
                "Rank, 95 %", help="Where it stands when wells and compounds are drawn again."
            ),
            "wrong": st.column_config.Column("Images wrong"),
            "units": st.column_config.Column(
                "Drawn from",
                help="Images of one well are not "
                "independent: where wells are unknown, the interval "
                "is too narrow.",
            ),
            "confidence": number(
                "Mean c",
                format="%.2f",
                help="Mean confidence: a low one is no sign of a wrong label.",
            ),
            "flagged": st.column_config.Column("Flagged", help="Images on the review list."),
        },
    )
    shown = f"{len(found):,} of " if len(found) != total and filters.any_set() else ""
    other = int((found["score"] > 0).sum())
    st.caption(
        f"{shown}{total:,} {level}s, by consistent disagreement. {other:,} "
        f"look{'s' * (other == 1)} more like another class than like "
        f"{'its' if other == 1 else 'their'} own label (score above 0), the network's usual "
        "errors allowed for.",
        help=HELP,
    )


def follow(found: pd.DataFrame, key: str) -> None:
    """Put the clicked row into the address."""
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        st.query_params[SUSPECT] = found["title"].iat[int(rows[0])]


def steps(found: pd.DataFrame, at: int) -> None:
    """Previous and next suspect."""

    def go(place: int) -> None:
        st.query_params[SUSPECT] = found["title"].iat[place]

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
        disabled=at + 1 >= len(found),
        on_click=go,
        args=(at + 1,),
    )


def nothing_scored(study: Study) -> None:
    """Why there is no ranking."""
    if none_passes():
        return
    if filters.any_set():
        st.info(
            "Nothing that is left by the filters has a label to doubt. Take one off in the "
            "sidebar.",
            icon=":material/filter_alt_off:",
        )
    else:
        st.info(
            f"No image of “{plain(study.name)}” has a label that counts, so there is none to "
            "doubt: a ranking needs given labels, and of compounds at least two.",
            icon=":material/label_off:",
        )


@st.cache_resource(max_entries=8, show_spinner=False)
def kept_opinion(path: str, stamp: str, _study: Study) -> pd.DataFrame:
    """The regression on measured features that `bnn second-opinion` left beside the study."""
    found = read_opinion(_study.path)
    if found is None:
        raise InputError(f"{_study.path / FILE} is gone; run 'bnn second-opinion' again")
    return found[0]


main()
