"""The review list as files: export and import."""

import shlex
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.base.wording import be, count
from bnn_core.figures.paper import paper_html
from bnn_core.figures.report import report_html
from bnn_core.measures.prediction_sets import LEVEL
from bnn_core.review import exporting
from bnn_core.review.corrected_labels import corrected_labels
from bnn_core.review.importing import FlagImport, Replacing, import_flags
from bnn_core.review.log import Event, ReviewLog
from bnn_core.review.short_list import short_list, workbook_bytes
from bnn_core.study.folder import Study
from pages.shared import possible, reviewer
from pages.shared.commands import command
from pages.shared.flagging import decision_words, review_log
from pages.shared.words import plain, without_none

MIME = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FORMS = {"csv": "CSV", "parquet": "Parquet", "xlsx": "Excel, short"}
HELP = {
    "csv": "For Excel: UTF-8 with a byte-order mark. A text that a spreadsheet would run as a "
    "formula starts with an apostrophe.",
    "xlsx": "The columns that a person edits, with a sheet that explains them. Import it below "
    "when you have edited it.",
}
MOST_PROBLEMS = 30
_IMPORTED = "_review_imported"


def draw_export(study: Study) -> None:
    """The flagged list and the corrected labels, the same bytes as `bnn export` writes."""
    log = review_log()
    flagged, absent = log.state(study), log.absent(study)
    st.header("Export", anchor=False)
    st.markdown(
        f"**The flagged list**: {count(len(flagged) + len(absent), 'image')}, each with "
        "path, plate, well, label, prediction, scores, decision, note, reviewer and time. "
        "Filters do not apply to this file. The button beside a selection exports the selection."
    )
    chance = possible.chance()
    _buttons(
        study,
        "flagged",
        lambda form: (
            workbook_bytes(study, short_list(study, exporting.export_table(study, log)))
            if form == "xlsx"
            else exporting.export_bytes(study, log, format=form, chance=chance)
        ),
    )
    labels = _label_count(study.name, study.fingerprint, log.last_action(), study, log)
    st.markdown(
        f"**The corrected label table**: {count(labels, 'image')} with the label as "
        "given, the decided label and whether it is excluded. The study has "
        f"{len(study.images):,} images. Copies, added images and images without a label are "
        "omitted unless there is a decision on them."
    )
    _buttons(
        study, "labels", lambda form: exporting.table_bytes(corrected_labels(study, log), form)
    )
    st.markdown(
        "**The report**: the whole study in one HTML file, to mail or archive: accuracy, "
        "cut-offs, suspects with their explanations, the flagged images."
    )
    _page(
        "report",
        f"{study.name}-report.html",
        lambda: report_html(study, log),
        "Opens without this app and without a network; about 5 MB.",
        command("report", study.name, "--out", f"{study.name}-report.html"),
    )
    st.markdown(
        "**The figures of the paper**: figures 1 to 6 for this study on one page to print, with "
        "captions."
    )
    _page(
        "paper",
        f"{study.name}-figures.html",
        lambda: paper_html(study),
        "Opens without this app and without a network; print it from the browser.",
        command("report", study.name, "--paper"),
    )
    _draw_training(study)


def _draw_training(study: Study) -> None:
    """How to train again with the decisions, and to see what that changed."""
    st.markdown(
        "**Train again with the decisions**: choose the table of this study again under *Your data*; "
        "a button there uses the decisions. Or add the exported list to the command that made the "
        "study:"
    )
    name = shlex.quote(f"{study.name}-flagged.csv")
    st.code(
        f"bnn study … --exclude {name} --relabel {name} --out …", language="bash", wrap_lines=True
    )
    st.page_link(
        "compare_studies/page.py",
        label="Did cleaning help? Compare the two studies",
        icon=":material/difference:",
        query_params={"studies_view": "did cleaning help?"},
    )


def _page(key: str, name: str, data: Callable[[], bytes], about: str, words: str) -> None:
    """A button for an HTML file, and the command that writes the same."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "HTML",
            key=f"export_{key}",
            icon=":material/download:",
            on_click="ignore",
            data=data,
            file_name=name,
            mime="text/html",
            help=about,
        )
        st.caption(f"The same file by command: `{words}`")


def _buttons(study: Study, table: str, data) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for form in (*exporting.TABLE_FORMATS, *(["xlsx"] if table == "flagged" else [])):
            st.download_button(
                FORMS[form],
                key=f"export_{table}_{form}",
                icon=":material/download:",
                on_click="ignore",
                data=lambda form=form: data(form),
                file_name=f"{study.name}-{table}.{form}",
                mime=MIME[form],
                help=HELP.get(form),
            )
        flags = ["--table", table] if table != "flagged" else _flags_of_flagged()
        words = command("export", study.name, *flags, "--out", f"{study.name}-{table}.csv")
        short = "; with `--short` and `.xlsx` the Excel file" if table == "flagged" else ""
        st.caption(f"The same CSV by command, or `.parquet`{short}: `{words}`")


def _flags_of_flagged() -> list[str]:
    """The chance of the sets of classes, where it is not the command's own."""
    chance = possible.chance()
    return [] if chance == LEVEL else ["--chance", f"{chance:g}"]


@st.cache_resource(max_entries=20, show_spinner=False)
def _label_count(
    name: str, fingerprint: str, last_action: int, _study: Study, _log: ReviewLog
) -> int:
    return len(corrected_labels(_study, _log))


def draw_import(study: Study) -> None:
    """Import an exported list, edited or not; its problems come first."""
    st.header("Import", anchor=False)
    # In a container: the fields below keep their place when the message goes.
    with st.container():
        if message := st.session_state.pop(_IMPORTED, None):
            st.success(message, icon=":material/check:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        given = st.file_uploader(
            "An exported list, edited or not (CSV, Excel or Parquet)",
            type=["csv", "xlsx", "parquet"],
            key="review_file",
        )
        name = reviewer.ask(
            "import_name", width=220, help="Edited rows count as your decisions, made now."
        )
    if given is None:
        st.caption(
            "The file needs the columns image_id, reason and decision. The changes are shown before "
            "anything is written."
        )
        return
    try:
        # The changes are shown even before a name is typed.
        imported = read_uploaded_list(given.name, given.getvalue(), study, name.strip() or "you")
    except InputError as error:
        st.error(plain(error), icon=":material/error:")
        return
    if imported.problems:
        more = len(imported.problems) - MOST_PROBLEMS
        st.error(
            f"**{count(len(imported.problems), 'row')} cannot be used:**\n\n"
            + "\n".join(f"- {plain(p)}" for p in imported.problems[:MOST_PROBLEMS])
            + (f"\n- and {more:,} more" if more > 0 else ""),
            icon=":material/error:",
        )
    new, known, older = len(imported.events), imported.known, imported.older
    st.markdown(
        f"**{count(new, 'decision')}** {be(new)} new. {known:,} {be(known)} already in the "
        f"log. {older:,} {be(older)} older than the current decision, skipped."
    )
    if imported.events:
        st.dataframe(
            without_none(pd.DataFrame(imported.events).drop(columns=["content_hash", "filter"])),
            hide_index=True,
            height=240,
        )
    events = imported.events + pick_replacing(imported.replacing)
    if not events:
        st.caption("There is nothing to import.")
    elif not name.strip():
        st.caption("Type your name above to import them.")
    elif st.button(
        f"Import {len(events):,}", key="import_go", type="primary", icon=":material/playlist_add:"
    ):
        action = review_log().record(study, events, reviewer=name)
        st.session_state[_IMPORTED] = f"{action.text}. Undo on the list reverts all of them."
        st.rerun()


def pick_replacing(rows: list[Replacing]) -> list[Event]:
    """Newer decisions that the file would replace: shown, and kept unless ticked."""
    if not rows:
        return []
    n = len(rows)
    st.warning(
        f"**{count(n, 'row')}** of the file would replace a newer decision, or one that may "
        "be newer because the row has no time. The current decision stays unless you tick the row "
        "here.",
        icon=":material/history:",
    )
    table = pd.DataFrame(
        {
            "Image": [row.event.image_id for row in rows],
            "Current decision": [decision_words(row.decision, row.new_label) for row in rows],
            "Decided by": [row.reviewer for row in rows],
            "When (UTC)": [row.time[:19].replace("T", " ") for row in rows],
            "In the file": [
                decision_words(row.event.decision, row.event.new_label) for row in rows
            ],
            "Note in the file": [row.event.note for row in rows],
        }
    )
    # The key changes with the table, which clears the ticks.
    shown = zlib.crc32(table.to_csv().encode())
    event = st.dataframe(
        table,
        key=f"import_replace_{shown}",
        hide_index=True,
        selection_mode="multi-row",
        on_select="rerun",
    )
    return [rows[i].event for i in event["selection"]["rows"] if i < n]


def read_uploaded_list(name: str, content: bytes, study: Study, who: str) -> FlagImport:
    """An uploaded list, checked; messages give the file's name on the user's machine."""
    with tempfile.TemporaryDirectory(dir=roots.uploads()) as folder:
        file = Path(folder) / Path(name).name
        file.write_bytes(content)
        try:
            imported = import_flags(file, study, review_log(), who)
        except InputError as error:
            raise InputError(str(error).replace(str(file), file.name)) from None
    imported.problems[:] = [problem.replace(str(file), file.name) for problem in imported.problems]
    return imported
