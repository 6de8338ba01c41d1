"""New plates, or new rows of features, for the finished study that is in view."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.base.wording import count, listed
from bnn_core.datasets.anchoring import ANCHORS
from bnn_core.datasets.features import FeatureTable
from bnn_core.datasets.image_sets import SET_NAME
from bnn_core.datasets.plates import PlateTable, source_name
from bnn_core.recipes.adding import demand_set_name, study_folds
from bnn_core.recipes.new_features import features_like, plan_features
from bnn_core.recipes.new_plates import PlannedPlates, plan_plates, scaling_of
from bnn_core.study.folder import Study
from bnn_core.study.lock import demand_name
from pages.shared import studies
from pages.shared.empty import empty
from pages.shared.words import as_sentence, plain
from pages.your_data import features_form, forms, plate_form

FIELDS = {
    "name": "Name of the set",
    "anchor": "Scale each plate to its untreated images",
    "deploy": "First train on all compounds",
    "out": "Name of a new study",
}
#: Of the options of a table of features, those that new rows have.
_READ = ("label", "batch", "control")
#: Role of added images -> what it means.
ROLES = {
    "shifted": "with a label of the study",
    "new": "with a label that the study does not have",
    "unlabelled": "without a label",
    "control": "untreated",
}
ABOUT_COMMAND = (
    "The same by command, in a terminal of this machine. It shows its progress. You can interrupt it "
    "at any time; the same command continues. Plates that the study already has are skipped."
)


def draw(study: Study | None) -> None:
    """The form, what would be added, and the button."""
    if study is None:
        st.info("Choose a finished study in the sidebar.", icon=":material/folder_open:")
        return
    noun = "rows of features" if study.meta.get("features") else "plates"
    st.caption(
        f"New {noun} for the study “{plain(study.name)}”: its networks say which class they see, how "
        "sure they are, and how unlike the training images each is. Labels are not needed. They become a "
        "set of their own in the study, on Out of distribution. The study's own images, figures and "
        "decisions stay. For another study, choose it in the sidebar."
    )
    try:
        if study.meta.get("features"):
            study_folds(study)
            _rows(study)
        else:
            scaling_of(study)
            _plates(study)
    except InputError as error:
        empty("wall", as_sentence(error), ":material/info:")


def _plates(study: Study) -> None:
    st.caption(plate_form.ABOUT_FILES)
    chosen = _chosen(study, plate_form.source_and_fields, "table or folder", anchors=True)
    if chosen is None:
        return
    source, ask, name, options = chosen
    plates = plate_form.read(source, ask, to_learn=False)
    if plates is None:
        return
    anchor = options.get("anchor", ANCHORS[0])
    try:
        read_of = (str(source), *plate_form.stamps(source, ask), *sorted(ask.items()))
        planned = _planned_plates(study, studies.identity(study), read_of, name, anchor, plates)
    except InputError as error:
        _refuse(error, source)
        return
    rows = planned.fresh_rows()
    known = sorted(set(planned.keys) - set(planned.fresh))
    _say(rows, f"on {count(len(planned.fresh), 'new plate')}", "image")
    if known:
        st.markdown(
            f"- {count(len(known), 'plate')} that the study already has: {plain(listed(known))}"
        )
    forms.warnings(plates, plate_form.FIELDS)
    if plate_form.files_exist(plates) and len(rows):
        _offer(study, source, name, ask | options)
    forms.how_read(plates, plate_form.FIELDS)
    _first_rows(rows)


def _rows(study: Study) -> None:
    chosen = _chosen(study, features_form.table_and_fields, "table of features", anchors=False)
    if chosen is None:
        return
    source, ask, name, options = chosen
    try:
        read_of = (
            str(source),
            forms.file_stamp(source),
            tuple((flag, ask[flag]) for flag in _READ if flag in ask),
            tuple(forms.pairs(ask.get("map", "")).items()),
            ask.get("metadata"),
        )
        identity = studies.identity(study)
        features = _features(study, identity, *read_of)
        rows = _planned_rows(study, identity, read_of, name, features)
    except InputError as error:
        _refuse(error, source)
        return
    _say(rows, "", "row")
    forms.warnings(features, features_form.FIELDS)
    if len(rows):
        _offer(study, source, name, ask | options)
    forms.how_read(features, features_form.FIELDS)
    _first_rows(rows)


def _chosen(
    study: Study,
    source_and_fields: Callable[..., tuple[Path | None, dict[str, str]] | None],
    what: str,
    *,
    anchors: bool,
) -> tuple[Path, dict[str, str], str, dict[str, str]] | None:
    """The table or folder, its filled fields, the name of the set and the further options. None while
    nothing is chosen or something is refused, with a line that says so."""
    given = source_and_fields(to_learn=False)
    source, ask = given or (None, {})
    named = _options(study, source, anchors=anchors)
    if given is None or named is None:
        return None
    if source is None:
        st.info(f"Choose a {what}. It is checked here.", icon=":material/table_view:")
        return None
    return source, ask, *named


def _options(
    study: Study, source: Path | None, *, anchors: bool
) -> tuple[str, dict[str, str]] | None:
    """The name of the set, and the other filled fields: flag -> text. None where a name is refused,
    with the reason at its field."""
    left, middle, right = st.columns(3, gap="medium")
    default = "" if source is None else _default_name(source)
    name = left.text_input(
        FIELDS["name"],
        key="new_name",
        placeholder=default,
        help="Default: the name of the table or folder.",
    ).strip()
    name_is_good = _is_good(left, _demand_name_of_set, name)
    options = {}
    out = middle.text_input(
        FIELDS["out"],
        key="new_out",
        placeholder=f"added to {study.name}",
        help="Default: the set is added to this study. With a name the study stays as it is.",
    ).strip()
    out_is_good = _is_good(middle, _demand_name_of_study, out)
    if out:
        options["out"] = out
    if anchors:
        anchor = right.selectbox(
            FIELDS["anchor"],
            ANCHORS,
            key="new_anchor",
            help="controls: each new plate is scaled so that its untreated images are as bright as "
            "the study's. none: as in training.",
        )
        if anchor != ANCHORS[0]:
            options["anchor"] = anchor
    if "deployed" not in study.meta and left.toggle(
        FIELDS["deploy"],
        key="new_deploy",
        help="One more network of each method, trained on all compounds, predicts the new images. "
        "It takes as long as a fold. Without it, they are predicted by the mean over the folds.",
    ):
        options["deploy"] = "yes"
    return (name or default, options) if name_is_good and out_is_good else None


def _default_name(source: Path) -> str:
    """What `bnn predict` calls the set of a table or folder without a name."""
    return source_name(source).split(".")[0]


def _is_good(where: DeltaGenerator, demand: Callable[[str], None], name: str) -> bool:
    """Whether a name that was typed can be used, or none was; where not, the reason at its field."""
    try:
        if name:
            demand(name)
    except InputError as error:
        where.error(as_sentence(_without_command(str(error))), icon=":material/error:")
        return False
    return True


def _demand_name_of_set(name: str) -> None:
    if not SET_NAME.fullmatch(name):
        raise InputError("Use letters, digits, blanks and _ . + - only, and no - as the first.")
    demand_set_name(name)


def _demand_name_of_study(name: str) -> None:
    """A name alone: the new study lies beside the others."""
    if name != Path(name).name:
        raise InputError("The name becomes the name of a folder: no slash.")
    demand_name(name)


def _say(rows: pd.DataFrame, where: str, noun: str) -> None:
    """How many rows would be added, by role."""
    if not len(rows):
        all_of = "these rows" if noun == "row" else "all of these plates"
        st.info(f"Nothing new: the study has {all_of}.", icon=":material/check:")
        st.page_link("out_of_distribution/page.py", label="See them on Out of distribution")
        return
    counts = rows["role"].value_counts()
    parts = [f"{number:,} {ROLES.get(role, role)}" for role, number in counts.items()]
    st.success(
        f"**{count(len(rows), noun)}{f' {where}' if where else ''}** to be predicted: "
        f"{', '.join(parts)}.",
        icon=":material/check:",
    )


def _first_rows(rows: pd.DataFrame) -> None:
    if not len(rows):
        return
    shown = rows.drop(columns=["group", "source", "content_hash"], errors="ignore")
    shown = shown.assign(role=shown["role"].replace(ROLES))
    forms.first_rows(st.container(), shown)


def _offer(study: Study, source: Path, name: str, ask: dict[str, str]) -> None:
    """The button that predicts on this machine, and the command."""
    deploy = ["--deploy"] if "deploy" in ask else []
    given = "" if name == _default_name(source) else f"{name}="
    forms.offer(
        "Predict here",
        lambda path: ["predict", study.name, f"{given}{path}", *deploy],
        source,
        {flag: text for flag, text in ask.items() if flag != "deploy"},
        study=ask.get("out", study.name),
        key="new_predict",
        about_command=ABOUT_COMMAND,
        adds="out" not in ask,
    )


def _refuse(error: InputError, source: Path) -> None:
    text = forms.say(str(error), plate_form.FIELDS | features_form.FIELDS | FIELDS, source)
    forms.refuse(_without_command(text))


def _without_command(text: str) -> str:
    """A message with the field for the name in place of the words of the command."""
    return re.sub(": OTHER=(TABLE|PATH in place of PATH)", f" under “{FIELDS['name']}”", text)


@st.cache_resource(max_entries=4, ttl=60, show_spinner="Comparing with the study")
def _planned_plates(
    _study: Study, identity: str, read_of: tuple, name: str, anchor: str, _plates: PlateTable
) -> PlannedPlates:
    """read_of: what `_plates` was read of."""
    return plan_plates(
        _study, _plates, name, anchor=anchor, intensities=_study.meta.get("intensities")
    )


@st.cache_resource(max_entries=2, show_spinner="Comparing with the study")
def _planned_rows(
    _study: Study, identity: str, read_of: tuple, name: str, _features: FeatureTable
) -> pd.DataFrame:
    """read_of: what `_features` was read of."""
    return plan_features(_study, _features, name)


@st.cache_resource(max_entries=2, show_spinner="Reading the table")
def _features(
    _study: Study,
    identity: str,
    path: str,
    stamp: tuple[int, int] | None,
    options: tuple[tuple[str, str], ...],
    columns: tuple[tuple[str, str], ...],
    metadata: str | None,
) -> FeatureTable:
    return features_like(
        _study,
        Path(path),
        metadata=roots.typed_path(metadata) if metadata else None,
        columns=dict(columns),
        **dict(options),
    )
