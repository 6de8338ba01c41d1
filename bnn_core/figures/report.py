"""A study as one HTML file, to mail, to archive, and to read without this app.

The same bytes for the same study and the same decisions; nothing is fetched when it is opened.
Plotly's script (about 4.5 MB) is in it once, so the figures answer to the mouse.
"""

import os
from pathlib import Path

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from bnn_core.base.files import write_bytes
from bnn_core.base.methods import by_precedence
from bnn_core.base.scores import DEFAULT_SCORE
from bnn_core.base.wording import count
from bnn_core.figures import report_sections as sections
from bnn_core.figures.html import template
from bnn_core.figures.report_cutoffs import needed_accuracies
from bnn_core.measures.judged_units import Judged, judged_units
from bnn_core.recipes.baselines import study_baselines
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import Study
from bnn_core.suspects.ranking_wording import LOOKS_LIKE


def report_html(study: Study, log: ReviewLog) -> bytes:
    """The whole report, UTF-8: facts, accuracy, cut-offs, calibration, suspects, flagged images.

    Every text of the study is escaped. Sections that the study has no columns for are left out,
    and shortened lists say how much there is.
    """
    methods = by_precedence(study.methods)
    tables = {method: study.table(method) for method in methods}
    units_of = {
        method: Judged(judged_units(table, "image", study.classes), DEFAULT_SCORE)
        for method, table in tables.items()
    }
    units_of = {method: units for method, units in units_of.items() if len(units)}
    reading = tables[study.reading_method]
    accuracies = sections.accuracy(study, tables)
    known = study_baselines(study)
    suspects = sections.suspect_compounds_section(study, tables, log, known)
    flagged = sections.flagged(study, log)
    html = template("report.html").render(
        title=study.meta["title"],
        name=study.name,
        images=count(study.meta["rows"], study.noun),
        classes=f"{len(study.classes)} classes",
        synthetic=study.meta.get("synthetic"),
        about_rows=study.about_rows,
        notes=study.meta.get("notes") or [],
        looks_like=LOOKS_LIKE,
        plotly=Markup(get_plotlyjs()) if units_of else "",
        summary=_summary(accuracies, suspects, flagged),
        accuracy=accuracies,
        baselines=sections.baselines(study, known),
        cutoffs=sections.cutoffs(units_of, len(study.classes)) if units_of else None,
        needed=needed_accuracies(units_of) if units_of else None,
        calibration=sections.calibration(study, tables, units_of) if units_of else None,
        compounds=sections.compounds_table(reading),
        suspect_images=sections.suspect_images_table(study, reading),
        suspects=suspects,
        flagged=flagged,
        facts=sections.facts_table(study),
        settings=sections.settings(study),
    )
    return html.encode()


def _summary(
    accuracies: sections.Table,
    suspects: sections.SuspectCompounds | None,
    flagged: sections.Flagged | None,
) -> list[str]:
    """The report in a few sentences: labels that deserve a look, decisions, accuracies."""
    lines = []
    if suspects is not None:
        lines.append(f"{suspects.doubtful} {suspects.progress}.")
    lines.append(f"Flagged images: {flagged.count if flagged else 0}.")
    shown = set()
    for method, level, _, share, interval, counts in accuracies.rows:
        # The first way of combining images is the one to report.
        if level in ("image", "compound") and (method, level) not in shown:
            shown.add((method, level))
            lines.append(f"{method}: {share} of {level}s right {interval}, {counts}.")
    return lines


def write_report(
    study: Study,
    out: str | os.PathLike | None = None,
    *,
    reviews: str | os.PathLike | None = None,
) -> Path:
    """Write `report_html` to a file and return its path.

    out: default <study>-report.html in the current folder. reviews: folder of the review log
    (default: the one that the study is in). Raises InputError where it cannot be written.
    """
    path = Path(out or f"{study.name}-report.html")
    content = report_html(study, ReviewLog(Path(reviews) if reviews else study.path.parent))
    write_bytes(path, content)
    return path
