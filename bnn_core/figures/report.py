"""A study as one HTML file that needs nothing else: to mail, to archive, to read without this app.

The same bytes for the same study and the same standing decisions; nothing is fetched when it is
opened. Plotly's script (about 4.5 MB) is in it once, so the figures answer to the mouse.
"""

import base64
from collections.abc import Iterable, Mapping
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.io import to_html
from plotly.offline import get_plotlyjs

from bnn_core.base.methods import by_precedence, method_of
from bnn_core.base.scores import DEFAULT, SCORES
from bnn_core.base.wording import listed
from bnn_core.figures import confidence, overview
from bnn_core.figures.style import chart_config
from bnn_core.measures.evaluation import certainty, reliability
from bnn_core.measures.judged_units import Judged, accuracy_by_level, judged_units, quality
from bnn_core.measures.levels import available_levels, own_images
from bnn_core.measures.mechanisms import compounds, labelled_compounds
from bnn_core.review.log import ReviewLog
from bnn_core.study.describing import QUALITY_NAMES, facts, method_settings
from bnn_core.study.folder import Study
from bnn_core.suspects import ranking
from bnn_core.suspects.explaining import explain
from bnn_core.suspects.explanation import Explanation, by_verdict
from bnn_core.suspects.phenotype import study_strengths
from bnn_core.suspects.ranking_wording import LOOKS_LIKE, heading, score_sentences
from bnn_core.suspects.second_opinion import read_opinion
from bnn_core.suspects.suspect import Suspect, suspect_images

MOST_SUSPECTS = 10
MOST_PICTURES = 300
PICTURES_PER_SUSPECT = 8
_BINS, _STEPS, _CUT = 50, 101, 0.5
CUTOFFS = tuple(i / 10 for i in range(1, 10))
_STYLE = """
body{font:15px/1.5 "Source Sans 3",system-ui,sans-serif;color:#20272B;background:#fff;
 max-width:72rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.25rem;margin-top:2.4rem}
h3{font-size:1.02rem;margin:1.6rem 0 .3rem}table{border-collapse:collapse;margin:.6rem 0}
td,th{border-bottom:1px solid #D9DEDD;padding:.25rem .7rem .25rem 0;text-align:left;
 vertical-align:top;overflow-wrap:break-word;max-width:34rem}th{font-weight:600}
.explanations td:first-child{white-space:nowrap}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
p.note{color:#5c666c}img{height:72px;margin:0 3px 3px 0;image-rendering:auto}
.synthetic{background:#ece4f6;padding:.1rem .5rem;border-radius:.3rem}
@media print{h2{break-after:avoid}tr,img{break-inside:avoid}}"""


def report_html(study: Study, log: ReviewLog) -> bytes:
    """The whole report, UTF-8: facts, accuracy, cut-offs, calibration, suspects, flagged images.

    Every text of the study is escaped. Sections that the study has no columns for are left out,
    and what is cut short says how much there is.
    """
    methods = by_precedence(study.methods)
    tables = {method: study.table(method) for method in methods}
    judged = {
        m: Judged(judged_units(t, "image", study.classes), DEFAULT) for m, t in tables.items()
    }
    judged = {m: units for m, units in judged.items() if len(units)}
    parts = [_head(study), _accuracy(study, tables)]
    if judged:
        parts += [_cutoffs(judged, len(study.classes)), _calibration(study, tables, judged)]
    parts += [
        _compounds(tables[methods[0]]),
        _suspects(study, tables, methods[0]),
        _flagged(study, log),
        _made(study),
    ]
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(str(study.meta['title']))}</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs() if judged else ''}</script></head><body>"
        f"{''.join(parts)}</body></html>\n"
    ).encode()


def _head(study: Study) -> str:
    mark = (
        '<p><span class="synthetic">synthetic data</span></p>'
        if study.meta.get("synthetic")
        else ""
    )
    notes = "".join(
        f'<p class="note">{escape(str(note))}</p>' for note in study.meta.get("notes") or []
    )
    return (
        f"<h1>{escape(str(study.meta['title']))}</h1>"
        f'<p class="note">Which image labels can I not trust, and why? Study '
        f"{escape(study.name)}: {study.meta['rows']:,} images, "
        f"{len(study.classes)} classes.</p>{mark}{notes}"
    )


def _accuracy(study: Study, tables: Mapping[str, pd.DataFrame]) -> str:
    lines = [
        [
            method_of(m).name,
            r.level,
            r.how,
            _percent(r.accuracy),
            _interval(r.low, r.high),
            f"{r.right:,} of {r.n:,}",
        ]
        for m, table in tables.items()
        for r in accuracy_by_level(table, study.classes).itertuples()
    ]
    if not lines:
        return "<h2>How good is it?</h2><p>No image has a label that counts.</p>"
    return (
        "<h2>How good is it?</h2>"
        + _table(
            ["Network", "Level", "How images are put together", "Right", "95 % interval", "Counts"],
            lines,
            numbers=3,
        )
        + '<p class="note">Images of one compound are not independent: intervals resample '
        "whole compounds where a level has several units of one.</p>"
    )


def _cutoffs(judged: Mapping[str, Judged], num_classes: int) -> str:
    names = _names(judged)
    low = SCORES[DEFAULT].lowest(num_classes)
    scale = confidence.Scale(DEFAULT, low, 1.0, _CUT)
    values = np.linspace(low, 1, _STEPS)
    histograms = {m: units.histogram(low, 1, _BINS) for m, units in judged.items()}
    bands = {m: units.curves(certainty(DEFAULT, values)) for m, units in judged.items()}
    lines = []
    for method, units in judged.items():
        for cut in CUTOFFS:
            found = units.at(cut)
            accuracy = found.accuracy
            lines.append(
                [
                    method_of(method).name,
                    f"{SCORES[DEFAULT].symbol} ≥ {cut:g}",
                    _percent(found.coverage.value, 1),
                    _percent(accuracy.value) if accuracy else "none kept",
                    _interval(accuracy.low, accuracy.high) if accuracy else "–",
                    f"{found.right:,} of {found.kept:,}",
                ]
            )
    return (
        "<h2>How sure is it, and what does a cut-off gain?</h2>"
        "<p>Signed c is the published confidence c = 1 − 2·√(p(1 − p)) where the mean softmax p of the "
        "predicted class is at least 0.5, and −c below: c itself rises again there.</p>"
        + _figure(confidence.distributions(histograms, names, scale, log=True), "right-wrong")
        + _figure(confidence.curves(bands, names, scale, values), "cut-offs")
        + _table(
            ["Network", "Cut-off", "Kept", "Right among the kept", "95 % interval", "Counts"],
            lines,
            numbers=2,
        )
    )


def _calibration(
    study: Study, tables: Mapping[str, pd.DataFrame], judged: Mapping[str, Judged]
) -> str:
    figures = {m: quality(tables[m], study.classes) for m in judged}
    lines = [
        [words, *(f"{figures[m][name]:.4f}" for m in judged)]
        for name, words in QUALITY_NAMES.items()
    ]
    lines.append(["n, images with a label", *(f"{len(units):,}" for units in judged.values())])
    bins = {
        m: reliability(units.units["top_softmax"].to_numpy(np.float64), units.correct)
        for m, units in judged.items()
    }
    return (
        "<h2>Does it know what it does not know?</h2>"
        + _figure(overview.reliability_diagram(bins, _names(judged)), "calibration")
        + _table(["", *(method_of(m).name for m in judged)], lines, numbers=1)
    )


def _compounds(table: pd.DataFrame) -> str:
    if "compound" not in table:
        return ""
    table = table[own_images(table)]
    lines = [
        [
            r.compound,
            label,
            _called(r.called, r.called_n),
            f"{r.right:,} of {r.n:,}",
            _percent(r.accuracy, 1) if r.n else "–",
        ]
        for label in labelled_compounds(table)
        for r in compounds(table, label).itertuples()
    ]
    if not lines:
        return ""
    return "<h2>Compound by compound</h2>" + _table(
        ["Compound", "Label", "Commonest wrong call", "Images right", "Share"], lines, numbers=3
    )


def _called(names: tuple[str, ...], n: int) -> str:
    if len(names) < 2:
        return names[0] if names else "–"
    return f"{listed(names)}, {n:,} each"


def _suspects(study: Study, tables: Mapping[str, pd.DataFrame], method: str) -> str:
    table = tables[method]
    head = "<h2>Labels that deserve a second look</h2>"
    if "compound" not in available_levels(study.images):
        ranked = ranking.rank_images(table).head(MOST_SUSPECTS)
        lines = [
            [i + 1, r.image_id, r.label, r.predicted, f"{r.label_quality:.4f}"]
            for i, r in enumerate(ranked.itertuples())
        ]
        if not lines:
            return ""
        return (
            head + "<p>Images by label quality (0: the label does not fit), the lowest "
            f"{len(lines)}.</p>"
            + _table(
                ["", "Image", "Given", "Predicted", "Label quality"],
                lines,
                html=[_pictures(study, [row]) for row in ranked["row"]],
                numbers=4,
            )
        )
    second = read_opinion(study.path)
    opinion, about = second or (None, {})
    found = ranking.rank(table, study.classes, second=opinion)
    if found.empty:
        return ""
    total, standard = len(found), tables.get(study.standard_method)
    said = (
        f" With a second opinion: {about.get('model', '')} on {about.get('source', '')}."
        if second
        else ""
    )
    text = (
        f"<p>Compounds by consistent disagreement, the first {min(total, MOST_SUSPECTS)} of "
        f"{total:,}. The score says how much more the predictions look like those of one other "
        "class than like those of the label, corrected for the network's usual errors (1: only "
        f"like the other class; 0: like both; below 0: more like the label). {escape(LOOKS_LIKE)}"
        f"{escape(said)} Several explanations may fit.</p>"
    )
    strengths = study_strengths(study)
    for row in found.head(MOST_SUSPECTS).to_dict("records"):
        who = Suspect.of(row, "compound")
        images = np.flatnonzero(suspect_images(table, who))
        explanations = explain(
            table, study.classes, who, standard=standard, second=opinion, strengths=strengths
        )
        text += _suspect(row, who, by_verdict(explanations))
        text += _pictures(study, images[:PICTURES_PER_SUSPECT])
    return head + text


def _suspect(row: Mapping[str, object], who: Suspect, explanations: Iterable[Explanation]) -> str:
    lines = [
        [e.verdict, e.title, f"{e.sentence} ({e.basis})" if e.basis else e.sentence]
        for e in explanations
    ]
    return (
        f"<h3>{row['rank']}. {escape(heading(row, who))}</h3>"
        f"<p>{escape(' '.join(score_sentences(row, who)))}</p>"
        f'<div class="explanations">{_table(["", "", ""], lines)}</div>'
    )


def _flagged(study: Study, log: ReviewLog) -> str:
    state = log.state(study)
    if state.empty:
        return "<h2>Flagged images</h2><p>None.</p>"
    table = study.table(study.reading_method).iloc[state.index].reset_index(drop=True)
    columns = [
        c for c in ("image_id", "compound", "plate", "well", "label", "predicted") if c in table
    ]
    decided = state.reset_index(drop=True)
    names = ["reason", "decision", "new_label", "note", "reviewer", "time", "changed"]
    found = pd.concat([table[columns], decided[names]], axis=1)
    found["time"] = [str(time)[:19].replace("T", " ") for time in found["time"]]
    lines = [
        ["" if pd.isna(cell) else cell for cell in line] for line in found.itertuples(index=False)
    ]
    pictures = [
        _pictures(study, [row]) if i < MOST_PICTURES else "" for i, row in enumerate(state.index)
    ]
    cut = f"<p>Pictures of the first {MOST_PICTURES:,}.</p>" if len(state) > MOST_PICTURES else ""
    heads = {
        "image_id": "Image",
        "new_label": "New label",
        "time": "When (UTC)",
        "changed": "Changed since",
    }
    return (
        f"<h2>Flagged images</h2><p>{len(state):,} of {len(study.images):,} images.</p>{cut}"
        + _table([heads.get(c, c.capitalize()) for c in found], lines, html=pictures)
    )


def _made(study: Study) -> str:
    lines = [[name, value] for name, value in facts(study).items()]
    settings = [[words, *values] for words, values in method_settings(study).items()]
    networks = _table(["", *(method_of(m).name for m in study.methods)], settings)
    return f"<h2>How it was made</h2>{_table(['', ''], lines)}{networks * bool(settings)}"


def _table(
    heads: list[str],
    lines: list[list[object]],
    *,
    numbers: int | None = None,
    html: list[str] | None = None,
) -> str:
    """Rows of texts (escaped); columns from `numbers` on are set as numbers, `html` comes first."""

    def cells(tag: str, values: Iterable[object]) -> str:
        return "".join(
            f"<{tag}{' class=n' * (numbers is not None and i >= numbers)}>{escape(str(v))}</{tag}>"
            for i, v in enumerate(values)
        )

    html = html if html and any(html) else None
    first = [f"<td>{part}</td>" for part in html] if html else [""] * len(lines)
    head = f"<tr>{'<th></th>' * bool(html)}{cells('th', heads)}</tr>" if any(heads) else ""
    body = "".join(
        f"<tr>{part}{cells('td', line)}</tr>" for part, line in zip(first, lines, strict=True)
    )
    return f"<table>{head}{body}</table>"


def _pictures(study: Study, rows: Iterable[int]) -> str:
    """Thumbnails within the file; nothing for images that have none."""
    found = []
    for row in rows:
        data = study.thumbnail(int(row))
        if data:
            name = escape(str(study.images["image_id"].iat[int(row)]))
            found.append(
                f'<img alt="{name}" title="{name}" src="data:image/webp;base64,'
                f'{base64.b64encode(data).decode()}">'
            )
    return "".join(found)


def _figure(figure: go.Figure, name: str) -> str:
    figure.update_layout(font={"color": "#20272B"}, template="none")
    return to_html(
        figure,
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config=chart_config(name) | {"responsive": True},
    )


def _names(methods: Iterable[str]) -> dict[str, str]:
    return {m: method_of(m).name for m in methods}


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def _interval(low: float, high: float) -> str:
    return f"[{100 * low:.1f}, {100 * high:.1f}]"
