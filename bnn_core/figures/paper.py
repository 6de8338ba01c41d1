"""The figures of Deodato, Ball & Zhang (2020) for one study, on one page to print.

Each has a caption with the study, the images counted and the cut-off. A figure that the study has
no data for is named with the reason.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from bnn_core.base.files import write_bytes
from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.base.wording import count
from bnn_core.figures import averaging, mechanisms, out_of_distribution, samples, scatter
from bnn_core.figures.html import Picture, pictures, plot, template
from bnn_core.figures.report_sections import cutoff_figures
from bnn_core.measures import agreement, sample_views, selection
from bnn_core.measures import mechanisms as compounds
from bnn_core.measures import out_of_distribution as ood
from bnn_core.measures.judged_units import Judged, judged_units
from bnn_core.measures.levels import available_levels, scored_rows
from bnn_core.measures.mechanisms import Bins
from bnn_core.recipes import kept
from bnn_core.study.folder import Study
from bnn_core.suspects.ranking import rank
from bnn_core.suspects.suspect import Suspect, suspect_images

#: The published c, as in the paper; everything else in the program has `base.scores.DEFAULT_SCORE`.
PAPER_SCORE = "confidence"
CUT = 0.5
_STRIP, _BINS, _COMPOUNDS, _PICTURES = 200, 20, 3, 12
_GROUPS = {
    ood.SAME: "known kinds",
    ood.SHIFTED: "known kinds, damaged or from another source",
    ood.NEW: "kinds absent from training",
    ood.ADDED: "added without labels",
}


@dataclass(frozen=True)
class PaperFigure:
    """One figure: its number in the paper, the plots or pictures, its caption.

    lacks: why there is nothing to draw, else "". highest: pixels of each plot, so that two figures
    fit on a printed page.
    """

    number: str
    title: str
    plots: list[go.Figure] = field(default_factory=list)
    caption: str = ""
    lacks: str = ""
    pictures: list[Picture] = field(default_factory=list)
    highest: int = 400


@dataclass(frozen=True)
class _Data:
    """What the figures are drawn from."""

    study: Study
    table: pd.DataFrame
    bins: Bins

    @property
    def codes(self) -> np.ndarray:
        """(N,) class index of each label that counts, else -1."""
        codes = pd.Index(self.study.classes).get_indexer(self.table["label"].astype(object))
        return np.where(scored_rows(self.table), codes, -1)


def paper_html(study: Study) -> bytes:
    """The page, UTF-8; nothing is fetched when it is opened. The same study gives the same bytes."""
    shown = []
    for number, figure in enumerate(paper_figures(study)):
        for drawing in figure.plots:
            drawing.update_layout(height=min(drawing.layout.height, figure.highest))
        drawn = [plot(f, f"figure-{number}-{i}") for i, f in enumerate(figure.plots)]
        shown.append({"of": figure, "plots": drawn})
    html = template("paper.html").render(
        title=study.meta["title"],
        name=study.name,
        synthetic=study.meta.get("synthetic"),
        about_rows=study.about_rows,
        plotly=Markup(get_plotlyjs()),
        figures=shown,
    )
    return html.encode()


def write_paper(study: Study, out: str | os.PathLike | None = None) -> Path:
    """Write `paper_html` to a file (default <study>-figures.html) and return its path."""
    path = Path(out or f"{study.name}-figures.html")
    write_bytes(path, paper_html(study))
    return path


def paper_figures(study: Study) -> list[PaperFigure]:
    """Figures 1 to 6, over all images of the study, by the published c and its cut-off."""
    low = SCORES[PAPER_SCORE].lowest(len(study.classes))
    table = study.table(study.reading_method)
    data = _Data(study, table, Bins(PAPER_SCORE, low, 1.0, _BINS))
    parts: tuple[Callable[[_Data], list[PaperFigure]], ...] = (
        _one_image,
        _confidence,
        _two_networks,
        _other_kinds,
        _mechanism,
        _sample_size,
    )
    return [figure for part in parts for figure in part(data)]


def _one_image(data: _Data) -> list[PaperFigure]:
    study, drawn = data.study, data.study.samples(data.study.reading_method)
    titles = ("1A, 1B", "One image: its networks and their average"), ("1C", "Networks by images")
    if drawn is None:
        return [
            PaperFigure(*t, lacks="the study keeps no samples of single networks") for t in titles
        ]
    counted = np.flatnonzero(data.codes >= 0)
    counted = counted if len(counted) else np.arange(len(data.table))
    row = int(counted[data.table["epistemic"].to_numpy(np.float64)[counted].argmax()])
    label = int(data.codes[row])
    mean = data.table[[f"p_{name}" for name in study.classes]].iloc[row].to_numpy(np.float64)
    network = method_of(study.reading_method)
    one = samples.distribution(
        samples.Average(mean, network.short, network.colour),
        study.classes,
        label if label >= 0 else None,
        samples=np.asarray(drawn[row], np.float64),
    )
    name = study.images["image_id"].iat[row]
    picture = pictures(study, [row])
    order = selection.drawing_order(len(data.table))[counted]
    rows = np.sort(counted[np.argsort(order)[:_STRIP]])
    return [
        PaperFigure(
            *titles[0],
            [one],
            f"Image {name}, the scored image of the highest epistemic variance: softmax of "
            f"{drawn.shape[1]:,} networks, one dot each, and their average.",
            pictures=picture,
            highest=460,
        ),
        PaperFigure(
            *titles[1],
            [_strip(data, drawn, rows)],
            f"Predicted class of {drawn.shape[1]:,} networks for {count(len(rows), 'image')}, a fixed "
            f"random choice of {len(counted):,}. A column is one image.",
            highest=290,
        ),
    ]


def _strip(data: _Data, drawn: np.ndarray, rows: np.ndarray) -> go.Figure:
    predicted, labels = sample_views.predicted_classes(drawn[rows]), data.codes[rows]
    order = sample_views.strip_order(predicted, labels)
    rows, labels, predicted = rows[order], labels[order], predicted[order]
    p = data.table[[f"p_{name}" for name in data.study.classes]].iloc[rows].to_numpy()
    names = data.study.images["image_id"].iloc[rows].astype(str).tolist()
    return samples.strip(
        predicted, labels, data.study.classes, rows, names, averaged=p.argmax(axis=1)
    )


def _confidence(data: _Data) -> list[PaperFigure]:
    study = data.study
    pair = dict.fromkeys([study.bayes_method or study.reading_method, study.standard_method])
    units = {
        m: Judged(judged_units(study.table(m), "image", study.classes), PAPER_SCORE)
        for m in pair
        if m is not None
    }
    units = {m: one for m, one in units.items() if len(one)}
    titles = ("2A, 4A", "Confidence of right and wrong"), ("2B, 4B", "What a cut-off gains")
    if not units:
        return [PaperFigure(*t, lacks="no image has a label that counts") for t in titles]
    n = count(max(map(len, units.values())), "scored image")
    histograms, curves = cutoff_figures(units, len(study.classes), CUT)
    symbol = SCORES[PAPER_SCORE].symbol
    return [
        PaperFigure(
            *titles[0],
            [histograms],
            f"Images by {SCORES[PAPER_SCORE].title.lower()}, counts on a logarithmic axis. n = {n}; "
            f"cut-off {symbol} ≥ {CUT:g} dashed.",
        ),
        PaperFigure(
            *titles[1],
            [curves],
            "Share right among the kept images and share kept, with 95 % intervals, against the "
            f"cut-off. n = {n}; cut-off {symbol} ≥ {CUT:g} dashed.",
        ),
    ]


def _two_networks(data: _Data) -> list[PaperFigure]:
    study = data.study
    title = "2C", "Bayesian against standard network"
    if study.bayes_method is None or study.standard_method is None:
        return [PaperFigure(*title, lacks="the study lacks a Bayesian or a standard network")]
    scale = agreement.Scale(PAPER_SCORE, CUT, (data.bins.low, 1.0))
    standard, bayes = (study.table(m) for m in (study.standard_method, study.bayes_method))
    plane = agreement.plane(standard, bayes, scale, scale)
    rows = plane.with_scores(np.flatnonzero(data.codes >= 0))
    if not len(rows):
        return [PaperFigure(*title, lacks="no image has a label that counts")]
    urgency = np.where(
        np.isin(plane.outcome[rows], (1, 2, 3)), selection.WRONG_POINT, selection.ORDINARY_POINT
    )
    drawn = selection.choose_drawn(
        rows, urgency, selection.drawing_order(len(data.table)), selection.MOST_DRAWN
    ).rows
    points = pd.DataFrame(
        {
            "x": plane.x[drawn],
            "y": plane.y[drawn],
            "outcome": plane.outcome[drawn],
            "row": drawn,
            "text": study.images["image_id"].iloc[drawn].astype(str).to_numpy(),
        }
    )
    chart = scatter.agreement(
        points,
        scatter.Axis.of(scale, plane.x_ends, study.standard_method),
        scatter.Axis.of(scale, plane.y_ends, study.bayes_method),
        plane.margins(rows),
        plane.counts(rows),
    )
    caption = (
        f"Both networks by {SCORES[PAPER_SCORE].title.lower()}; marginal counts on a logarithmic "
        f"axis. n = {count(len(rows), 'scored image')}, {len(drawn):,} drawn; cut-offs at {CUT:g}."
    )
    return [PaperFigure(*title, [chart], caption, highest=520)]


def _other_kinds(data: _Data) -> list[PaperFigure]:
    titles = ("3A", "Kinds of images absent from training"), ("3B", "These kinds one by one")
    groups = ood.groups(data.table)
    drawn = [group for group in ood.OTHERS if (groups == group).any()]
    if not drawn:
        return [PaperFigure(*t, lacks="the study has no images of other kinds") for t in titles]
    shares = ood.shares(data.table, data.bins)
    of_groups = out_of_distribution.group_histograms(
        shares, data.bins, CUT, _GROUPS, float(shares["share"].max())
    )
    lines = ood.kind_table(data.table, PAPER_SCORE, CUT)
    of_kinds = [
        out_of_distribution.strips(
            ood.kind_shares(data.table, data.bins),
            lines[lines["group"] == group],
            data.bins,
            CUT,
            group,
            columns=1,
        )
        for group in drawn
    ]
    counts = ", ".join(f"{_GROUPS[g]} {int((groups == g).sum()):,}" for g in (ood.SAME, *drawn))
    return [
        PaperFigure(
            *titles[0],
            [of_groups],
            f"{method_of(data.study.reading_method).name}. Images: {counts}. Within a group every kind "
            f"has the same weight; cut-off {CUT:g} dotted.",
        ),
        PaperFigure(
            *titles[1],
            of_kinds,
            "A row is one kind; the area of a square is the share of its images with that score, the "
            "tick is the median.",
        ),
    ]


def _mechanism(data: _Data) -> list[PaperFigure]:
    study, table = data.study, data.table
    titles = ("4C, 5A", "Compounds of one label"), ("5B", "The first suspect")
    if "compound" not in available_levels(study.images):
        return [PaperFigure(*t, lacks="the study does not record compounds") for t in titles]
    ranked = rank(table, study.classes)
    if ranked.empty:
        return [PaperFigure(*t, lacks="no compound has a label that counts") for t in titles]
    who = Suspect.of(ranked.iloc[0], "compound")
    part = table[(table["label"] == who.label).fillna(False).to_numpy(bool)]
    others = [
        n for n in compounds.compounds_of_label(part, who.label)["compound"] if n != who.title
    ]
    names = [who.keys["compound"], *others][:_COMPOUNDS]
    counts = [
        compounds.score_counts(compounds.compound_rows(part, [name]), data.bins) for name in names
    ]
    highest = max((int(c.groupby("bin")["n"].sum().max()) for c in counts if len(c)), default=1)
    charts = [
        mechanisms.score_histogram(c, data.bins, name, who.label, who.suspected, CUT, highest)
        for c, name in zip(counts, names, strict=True)
    ]
    for chart, name in zip(charts, names, strict=True):
        chart.update_layout(
            title={"text": name, "font": {"size": 13}}, height=185, margin={"t": 30}
        )
    rows = np.flatnonzero(suspect_images(table, who) & scored_rows(table))
    shown = rows[np.unique(np.linspace(0, len(rows) - 1, _PICTURES).astype(int))]
    return [
        PaperFigure(
            *titles[0],
            charts,
            f"Images of compounds labelled {who.label} by {SCORES[PAPER_SCORE].title.lower()}: the label "
            f"in grey, {who.suspected} in orange, other predictions hatched. n = "
            f"{count(sum(int(c['n'].sum()) for c in counts), 'image')}; cut-off {CUT:g} dotted.",
        ),
        PaperFigure(
            *titles[1],
            [],
            f"{who.title}, labelled {who.label}, most similar to {who.suspected}: {len(shown):,} of "
            f"{count(len(rows), 'image')}, evenly chosen.",
            pictures=pictures(study, shown),
            lacks="" if study.has_thumbnail(int(rows[0])) else "the study has no pictures",
        ),
    ]


def _sample_size(data: _Data) -> list[PaperFigure]:
    title = "6", "How many networks are enough?"
    table = kept.measured_sample_size(data.study)
    if table is None:
        return [
            PaperFigure(
                *title, lacks="it needs labels and more than five samples of a Bayesian network"
            )
        ]
    caption = (
        "Accuracy of repeats at several numbers T of networks averaged. n = "
        f"{count(int(table['n_images'].iat[0]), 'image')}; each repeat draws from "
        f"{int(table['pool'].iat[0]):,} networks."
    )
    return [PaperFigure(*title, [averaging.sample_size(table)], caption)]
