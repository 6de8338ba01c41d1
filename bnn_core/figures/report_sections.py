"""The content of the report, section by section: tables, plots and pictures for its template."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bnn_core.base.methods import method_of
from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.base.wording import listed, percent
from bnn_core.figures import confidence, overview
from bnn_core.figures.html import Picture, Plot, pictures, plot
from bnn_core.measures import mechanisms
from bnn_core.measures.evaluation import certainty
from bnn_core.measures.intervals import Interval
from bnn_core.measures.judged_units import Judged, accuracy_by_level, figures_of_merit
from bnn_core.measures.levels import available_levels, original_images
from bnn_core.measures.reliability import reliability
from bnn_core.recipes.baselines import Baselines
from bnn_core.review.group_decisions import decision_text, group_decisions, progress_text
from bnn_core.review.log import ReviewLog
from bnn_core.study import describing
from bnn_core.study.folder import Study
from bnn_core.suspects.explaining import explain
from bnn_core.suspects.explanation import by_verdict
from bnn_core.suspects.phenotype import study_strengths
from bnn_core.suspects.ranking import rank, rank_images
from bnn_core.suspects.ranking_wording import doubt_sentence, heading, score_sentences
from bnn_core.suspects.second_opinion import read_opinion
from bnn_core.suspects.suspect import Suspect
from bnn_core.suspects.suspect import suspect_images as images_of

MOST_SUSPECTS = 10
MOST_PICTURES = 300
PICTURES_PER_SUSPECT = 8
_BINS, _STEPS, _CUT = 50, 101, 0.5
CUTOFFS = tuple(i / 10 for i in range(1, 10))
_FLAGGED_HEADS = {
    "image_id": "Image",
    "new_label": "New label",
    "time": "When (UTC)",
    "changed": "Changed since",
}


@dataclass(frozen=True)
class Table:
    """Rows of texts under heads ("" for none); columns from `numbers` on are set as numbers.

    pictures: of each row, shown before it; empty where no row has one.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: int | None = None
    pictures: Sequence[Sequence[Picture]] = ()


@dataclass(frozen=True)
class Plots:
    """Plots, and the table of their numbers."""

    plots: Sequence[Plot]
    table: Table


@dataclass(frozen=True)
class SuspectCompound:
    """One compound of the ranking: its rank, sentences, decision, explanations, first pictures."""

    rank: int
    heading: str
    score: str
    decision: str
    explanations: Table
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class SuspectCompounds:
    """The first of `total` ranked compounds; doubtful: how many look more like another class,
    in a sentence; progress: how many are decided; second: where the second opinion came from, or ""."""

    compounds: Sequence[SuspectCompound]
    total: int
    doubtful: str
    progress: str
    second: str


@dataclass(frozen=True)
class Flagged:
    """The flagged images; cut: how many of them have pictures, where that is not all."""

    count: str
    table: Table
    cut: str


def accuracy(study: Study, tables: Mapping[str, pd.DataFrame]) -> Table:
    """Accuracy of every method at every level, with 95 % intervals."""
    rows = [
        [
            method_of(method).name,
            line.level,
            line.how,
            percent(line.accuracy, 2),
            Interval(line.accuracy, line.low, line.high, line.few).text,
            f"{line.right:,} of {line.n:,}",
        ]
        for method, table in tables.items()
        for line in accuracy_by_level(table, study.classes).itertuples()
    ]
    heads = ["Network", "Level", "How images are combined", "Right", "95 % interval", "Counts"]
    return Table(heads, rows, numbers=3)


def baselines(study: Study, measured: Baselines | None) -> list[str]:
    """What simple numbers of the images predict, in one or two lines; none where it is unknown."""
    if measured is None:
        return []
    figures = (study.meta.get("metrics") or {}).get(study.reading_method) or {}
    accuracy = (figures.get("image") or {}).get("accuracy")
    return [line for line in (measured.sentence(accuracy), measured.shortcut_sentence()) if line]


def cutoffs(units_of: Mapping[str, Judged], num_classes: int) -> Plots:
    """What cut-offs on the default score keep, and how much of that is right."""
    names = _names(units_of)
    histograms, curves = cutoff_figures(units_of, num_classes, _CUT)
    rows = []
    for method, units in units_of.items():
        for cut in CUTOFFS:
            kept = units.at(cut)
            right = kept.accuracy
            rows.append(
                [
                    names[method],
                    f"{SCORES[DEFAULT_SCORE].symbol} ≥ {cut:g}",
                    percent(kept.coverage.value, 1),
                    percent(right.value, 2) if right else "nothing kept",
                    right.text if right else "–",
                    f"{kept.right:,} of {kept.kept:,}",
                ]
            )
    heads = ["Network", "Cut-off", "Kept", "Right among the kept", "95 % interval", "Counts"]
    plots = [plot(histograms, "right-wrong"), plot(curves, "cut-offs")]
    return Plots(plots, Table(heads, rows, numbers=2))


def cutoff_figures(
    units_of: Mapping[str, Judged], num_classes: int, cut: float
) -> tuple[go.Figure, go.Figure]:
    """Right and wrong by the units' score, and what every cut-off on it keeps."""
    names = _names(units_of)
    (score,) = {units.score for units in units_of.values()}
    low = SCORES[score].lowest(num_classes)
    scale = confidence.ScoreAxis(score, low, 1.0, cut)
    values = np.linspace(low, 1, _STEPS)
    histograms = {m: units.histogram(low, 1, _BINS) for m, units in units_of.items()}
    bands = {m: units.curves(certainty(score, values)) for m, units in units_of.items()}
    return (
        confidence.right_wrong_histograms(histograms, names, scale, log=True),
        confidence.curves(bands, names, scale, values),
    )


def calibration(
    study: Study, tables: Mapping[str, pd.DataFrame], units_of: Mapping[str, Judged]
) -> Plots:
    """The reliability diagram and the figures of merit of every method."""
    merits = {method: figures_of_merit(tables[method], study.classes) for method in units_of}
    rows = [
        [words, *(f"{merits[method][name]:.4f}" for method in units_of)]
        for name, words in describing.QUALITY_NAMES.items()
    ]
    rows.append(["n, images with a label", *(f"{len(units):,}" for units in units_of.values())])
    bins = {
        method: reliability(
            units.units["top_softmax"].to_numpy(np.float64), units.correct, units.groups
        )
        for method, units in units_of.items()
    }
    diagram = overview.reliability_diagram(bins, _names(units_of))
    return Plots(
        [plot(diagram, "calibration")], Table(["", *_names(units_of).values()], rows, numbers=1)
    )


def compounds_table(table: pd.DataFrame) -> Table:
    """Every labelled compound: its most common wrong prediction and how many images are right."""
    heads = ["Compound", "Label", "Most common wrong prediction", "Images right", "Share"]
    if "compound" not in table:
        return Table(heads, [])
    table = table[original_images(table)]
    rows = [
        [
            line.compound,
            label,
            _most_common(line.called, line.called_n),
            f"{line.right:,} of {line.n:,}",
            percent(line.accuracy, 1) if line.n else "–",
        ]
        for label in mechanisms.labelled_compounds(table)
        for line in mechanisms.compounds_of_label(table, label).itertuples()
    ]
    return Table(heads, rows, numbers=3)


def suspect_images_table(study: Study, table: pd.DataFrame) -> Table | None:
    """Images of the lowest label quality; None for a study of compounds, or without labels."""
    if "compound" in available_levels(study.images):
        return None
    ranked = rank_images(table).head(MOST_SUSPECTS)
    if ranked.empty:
        return None
    rows = [
        [number, line.image_id, line.label, line.predicted, f"{line.label_quality:.4f}"]
        for number, line in enumerate(ranked.itertuples(), start=1)
    ]
    return Table(
        ["", "Image", "Label", "Predicted", "Label quality"],
        rows,
        numbers=4,
        pictures=_pictures_by_row(study, ranked["row"]),
    )


def suspect_compounds_section(
    study: Study,
    tables: Mapping[str, pd.DataFrame],
    log: ReviewLog,
    measured: Baselines | None = None,
) -> SuspectCompounds | None:
    """The first suspects with the explanations of each; None without a compound to rank."""
    if "compound" not in available_levels(study.images):
        return None
    table, standard = tables[study.reading_method], tables.get(study.standard_method)
    opinion, about = read_opinion(study.path) or (None, {})
    ranked = rank(table, study.classes, second=opinion)
    if ranked.empty:
        return None
    strengths = study_strengths(study)
    decisions = group_decisions(ranked, table, log.state(study), "compound")
    first = []
    for position, row in enumerate(ranked.head(MOST_SUSPECTS).to_dict("records")):
        who = Suspect.of(row, "compound")
        explanations = explain(
            table,
            study.classes,
            who,
            standard=standard,
            second=opinion,
            strengths=strengths,
            recognised=measured.batch_sentence if measured else "",
        )
        lines = [
            [e.verdict, e.title, f"{e.sentence} ({e.basis})" if e.basis else e.sentence]
            for e in by_verdict(explanations)
        ]
        images = np.flatnonzero(images_of(table, who))[:PICTURES_PER_SUSPECT]
        first.append(
            SuspectCompound(
                row["rank"],
                heading(row, who),
                " ".join(score_sentences(row, who)),
                decision_text(decisions.iloc[position]),
                Table(["", "", ""], lines),
                pictures(study, images),
            )
        )
    second = f"{about.get('model', '')} on {about.get('source', '')}" if about else ""
    doubtful = doubt_sentence(ranked, "compound")
    return SuspectCompounds(
        first, len(ranked), doubtful, progress_text(decisions, "compound"), second
    )


def flagged(study: Study, log: ReviewLog) -> Flagged | None:
    """The flagged images with their decisions and pictures; None where there is none."""
    state = log.state(study)
    if state.empty:
        return None
    table = study.table(study.reading_method).iloc[state.index].reset_index(drop=True)
    known = [
        c for c in ("image_id", "compound", "plate", "well", "label", "predicted") if c in table
    ]
    decided = ["reason", "decision", "new_label", "note", "reviewer", "time", "changed"]
    lines = pd.concat([table[known], state.reset_index(drop=True)[decided]], axis=1)
    lines["time"] = [str(time)[:19].replace("T", " ") for time in lines["time"]]
    rows = [
        ["" if pd.isna(cell) else cell for cell in line] for line in lines.itertuples(index=False)
    ]
    shown = _pictures_by_row(study, state.index[:MOST_PICTURES])
    if shown:
        shown += [[]] * (len(state) - len(shown))
    heads = [_FLAGGED_HEADS.get(c, c.capitalize()) for c in lines]
    cut = f"{MOST_PICTURES:,}" if len(state) > MOST_PICTURES else ""
    return Flagged(f"{len(state):,}", Table(heads, rows, pictures=shown), cut)


def facts_table(study: Study) -> Table:
    """What the study is and what made it."""
    return Table(["", ""], list(describing.study_facts(study).items()))


def settings(study: Study) -> Table:
    """The training settings, one column per method."""
    rows = [[words, *values] for words, values in describing.method_settings(study).items()]
    return Table(["", *_names(study.methods).values()], rows)


def _most_common(names: tuple[str, ...], n: int) -> str:
    if len(names) < 2:
        return names[0] if names else "–"
    return f"{listed(names)}, {n:,} each"


def _pictures_by_row(study: Study, rows: Iterable[int]) -> list[list[Picture]]:
    """The thumbnail of each image; empty where no image has one."""
    of_rows = [pictures(study, [row]) for row in rows]
    return of_rows if any(of_rows) else []


def _names(methods: Iterable[str]) -> dict[str, str]:
    return {method: method_of(method).name for method in methods}
