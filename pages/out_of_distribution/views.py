"""Parts of the page Out of distribution: the view, its cached tables and figures, a click."""

import json
from typing import NamedTuple

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.wording import percent
from bnn_core.figures import out_of_distribution as figures
from bnn_core.figures.style import chart_config
from bnn_core.measures import mechanisms
from bnn_core.measures import out_of_distribution as ood
from bnn_core.measures.mechanisms import Bins
from bnn_core.measures.out_of_distribution import ADDED, NEW, OTHERS, SAME, SHIFTED
from bnn_core.study.folder import Study
from pages.shared import choices, filters, marks, panels, scores

BINS = 20
MARK = "mark"
MOST_LINES = 14
WITHOUT = "added without labels"


class KindWords(NamedTuple):
    """The words for a study's kinds."""

    kind: str
    kinds: str
    groups: dict[str, str]


DIGIT_WORDS = KindWords(
    "kind",
    "kinds",
    {
        SAME: "same distribution",
        SHIFTED: "shifted: known kinds from another source",
        NEW: "new: kinds absent from training",
        ADDED: WITHOUT,
    },
)
CELL_WORDS = KindWords(
    "mechanism",
    "mechanisms",
    {
        SAME: "known mechanisms, new compounds",
        SHIFTED: "shifted: damaged or from another source",
        NEW: "unseen mechanisms",
        ADDED: WITHOUT,
    },
)

#: For cells without an unseen mechanism: their kinds are kinds of damage.
DAMAGED_WORDS = CELL_WORDS._replace(kind="kind", kinds="kinds")


class OodView(NamedTuple):
    """The current view: the filtered tables of the compared networks, a score and its cut-off."""

    study: Study
    methods: list[str]
    method: str
    tables: dict[str, pd.DataFrame]
    bins: Bins
    cut: scores.Cutoff
    false_alarm: float
    words: KindWords

    @property
    def table(self) -> pd.DataFrame:
        """The filtered rows of the chosen network's table."""
        return self.tables[self.method]

    @property
    def key(self) -> str:
        """A text that changes whenever the drawing does."""
        return f"{filters.key(self.study)}|{self.bins}|{self.cut}|{self.false_alarm}"


class Mark(NamedTuple):
    """The clicked mark, as kept in the address; "" and -1 mean any."""

    method: str
    group: str
    kind: str
    bin_index: int
    predicted: str

    @staticmethod
    def read(text: str) -> "Mark | None":
        """The mark of an address, or None for any other text."""
        try:
            mark = Mark(*json.loads(text))
        except (ValueError, TypeError, RecursionError):
            return None
        words = (mark.method, mark.group, mark.kind, mark.predicted)
        is_one = all(isinstance(word, str) for word in words) and isinstance(mark.bin_index, int)
        return mark if is_one else None


def chart(view: OodView, figure: go.Figure, key: str, method: str, name: str, alt: str) -> None:
    """A chart of one method whose marks open their images; name: of the saved picture."""
    marks.clickable_chart(
        figure,
        key,
        MARK,
        lambda data: json.dumps([method, *data]),
        config=chart_config(f"{view.study.name}-{name}"),
        alt=alt,
    )


def of_mark(view: OodView) -> None:
    """The images of the clicked mark, below the charts."""
    mark = Mark.read(st.query_params.get(MARK, ""))
    if mark is None or mark.method not in view.tables:
        return
    method, group, kind, bin_index, predicted = mark
    part = part_of(view.tables[method], group, kind or None)
    words = [view.words.groups.get(group, group), *([kind] if kind else [])]
    if 0 <= bin_index < BINS:
        part = part[view.bins.of(part) == bin_index]
        words.append(
            scores.between(view.bins.score, *view.bins.edges(bin_index), bin_index == BINS - 1)
        )
    if predicted:
        part = part[(part["predicted"] == predicted).to_numpy(dtype=bool)]
        words.append(f"predicted as {predicted}")
    marks.close_button(MARK)
    panels.selection_panel(
        view.study,
        part.index.to_numpy(),
        "ood_mark",
        f"{', '.join(words)} ({method_of(method).short})",
        method=method,
    )


def part_of(table: pd.DataFrame, group: str, kind: str | None = None) -> pd.DataFrame:
    rows = ood.groups(table) == group
    return table[rows if kind is None else rows & (ood.kinds(table) == kind)]


@st.cache_resource(max_entries=32, show_spinner=False)
def figure_of_groups(key: str, method: str, _view: OodView) -> go.Figure:
    """The groups of one network, one below the other."""
    shares = {m: ood.shares(_view.tables[m], _view.bins) for m in _view.methods}
    highest = max((float(s["share"].max()) for s in shares.values() if len(s)), default=1.0)
    return figures.group_histograms(
        shares[method], _view.bins, _view.cut.value, _view.words.groups, highest
    )


@st.cache_resource(max_entries=32, show_spinner="Comparing the groups")
def separations(key: str, method: str, _view: OodView) -> pd.DataFrame:
    """One row per group and subset: AUROC and detection of the chosen score, both networks.

    The most frequent prediction of a single kind is that of `method`.
    """
    lines = []
    for group in OTHERS:
        of_kinds = {m: rows_by_kind(key, m, group, _view) for m in _view.methods}
        members = sorted({kind for table in of_kinds.values() for kind in table["kind"]})
        subsets = list(ood.subsets(members, _view.study.classes).items()) if members else []
        # A few mechanisms, or kinds of damage, get a row each.
        if _view.words is not DIGIT_WORDS and 1 < len(members) <= MOST_LINES:
            subsets += [(kind, [kind]) for kind in members]
        for words, part in subsets:
            title = _view.words.groups[group].split(":")[0]
            line = {"group": f"{title.split()[0]}: {words}" if len(subsets) > 1 else title}
            line[_view.words.kinds] = len(part)
            if len(part) == 1:
                called = filtered_kinds(key, method, _view).set_index(["group", "kind"])
                called = called.loc[(group, part[0])]
                line["predicted as"] = f"{called['called']} ({percent(called['called_share'])})"
            for name in ("AUROC", "detection"):
                for network, table in of_kinds.items():
                    part_table = table[table["kind"].isin(part)]
                    line["images"] = max(line.get("images", 0), int(part_table["n"].sum()))
                    line[f"{name}, {method_of(network).short}"] = getattr(
                        ood.balanced(part_table), name.lower()
                    )
            lines.append(line)
    return pd.DataFrame(lines)


@st.cache_resource(max_entries=32, show_spinner=False)
def rows_by_kind(key: str, method: str, group: str, _view: OodView) -> pd.DataFrame:
    """`ood.by_kind` of the filtered rows."""
    return ood.by_kind(_view.tables[method], _view.cut.score, group, _view.false_alarm)


@st.cache_resource(max_entries=32, show_spinner=False)
def filtered_kinds(key: str, method: str, _view: OodView) -> pd.DataFrame:
    """`ood.kind_table` of the filtered rows."""
    return ood.kind_table(_view.tables[method], _view.cut.score, _view.cut.threshold)


@st.cache_resource(max_entries=32, show_spinner=False)
def kind_strips(
    key: str, method: str, group: str, order: str, _lines: pd.DataFrame, _view: OodView
) -> go.Figure:
    """All kinds of a group, in the order of `_lines`."""
    return figures.strips(
        ood.kind_shares(_view.tables[method], _view.bins),
        _lines,
        _view.bins,
        _view.cut.value,
        group,
        columns=2 if len(_lines) > 12 else 1,
    )


@st.cache_resource(max_entries=32, show_spinner=False)
def predicted_as_map(key: str, method: str, group: str, _view: OodView) -> go.Figure:
    """Kinds against predicted classes; capitals before lower case."""
    calls = ood.predicted_shares(_view.tables[method], _view.cut.score, group)
    order = sorted(set(calls["kind"]), key=lambda k: (k[0].islower(), k))
    return figures.predicted_dots(
        calls, _view.study.classes, order, _view.cut.score, (_view.bins.low, _view.bins.high), group
    )


@st.cache_resource(max_entries=32, show_spinner=False)
def histogram(key: str, method: str, group: str, kind: str, _view: OodView) -> go.Figure:
    """One kind by score and predicted class."""
    counts = mechanisms.score_counts(part_of(_view.tables[method], group, kind), _view.bins)
    return figures.one_kind(counts, _view.bins, group, kind, _view.cut.value, _view.study.classes)


@st.cache_resource(max_entries=16, show_spinner="Comparing all scores")
def filtered_scores(key: str, group: str, _view: OodView) -> pd.DataFrame:
    """`ood.which_score` of the filtered rows."""
    return ood.which_score(_view.tables, _view.study.classes, group, _view.false_alarm)


def pick_group(view: OodView, among: tuple[str, ...] = (*OTHERS, SAME)) -> str:
    """The menu of groups in this study."""
    occurring = set(ood.groups(view.table))
    options = [group for group in among if group in occurring]
    return choices.pick(
        "Group", options, key="group", width="content", format_func=view.words.groups.get
    )
