"""The frame of every page: navigation, study menu, shared filters, the page's question."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Streamlit puts the folder of this script on the path; imports start one folder above it.
if (ROOT := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.insert(0, ROOT)

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.navigation.page import StreamlitPage

from bnn_core.base.errors import InputError
from bnn_core.study.catalogue import StudyEntry, cache_root
from pages.shared import (
    drafts,
    filters,
    flag_form,
    frame,
    jobs_panel,
    login,
    reviewer,
    saved_views,
    scores,
    studies,
)
from pages.shared.empty import empty
from pages.shared.html import rendered
from pages.shared.words import as_sentence, plain


class Entry(NamedTuple):
    """One page: its file, its name and icon in the navigation, and the question that it answers.

    score, cutoff: whether the page uses them, so that they are shown at its top. study: whether the
    page needs a study.
    """

    file: str
    title: str
    icon: str
    question: str
    score: bool = False
    cutoff: bool = False
    study: bool = True


#: To add a page: write pages/<file> and add it here. Groups are in the order of the work.
PAGES: dict[str, list[Entry]] = {
    "Look": [
        Entry(
            "overview/page.py",
            "Overview",
            "dashboard",
            "Which image labels can I not trust, and how good is this study?",
            score=True,
            cutoff=True,
        ),
        Entry(
            "mechanisms/page.py",
            "Mechanisms",
            "medication",
            "How are the compounds of one mechanism predicted, and how do they look?",
            score=True,
            cutoff=True,
        ),
        Entry("plates/page.py", "Plates", "grid_on", "Does the position on the plate matter?"),
        Entry(
            "map/page.py",
            "Map",
            "bubble_chart",
            "Which images lie together: by label, batch, plate?",
            score=True,
        ),
        Entry(
            "one_image/page.py", "One image", "image", "Why is the network unsure of this image?"
        ),
    ],
    "Doubt": [
        Entry(
            "confidence.py",
            "Confidence",
            "bar_chart_4_bars",
            "How sure is the network when right and when wrong, and what does a cut-off gain?",
            score=True,
            cutoff=True,
        ),
        Entry(
            "bnn_vs_standard/page.py",
            "BNN vs standard",
            "scatter_plot",
            "Where do the Bayesian and the standard network disagree?",
            score=True,
            cutoff=True,
        ),
        Entry(
            "out_of_distribution/page.py",
            "Out of distribution",
            "travel_explore",
            "What does the network do with kinds of images absent from training?",
            score=True,
            cutoff=True,
        ),
        Entry(
            "compare_methods/page.py",
            "Compare methods",
            "leaderboard",
            "Would another method do better on these images?",
            score=True,
        ),
        Entry(
            "compare_studies/page.py",
            "Compare studies",
            "difference",
            "What changed after cleaning, with another seed, or since last month?",
        ),
    ],
    "Review": [
        Entry(
            "suspect_labels/page.py",
            "Suspect labels",
            "help_center",
            "Which labels deserve a second look, and what may be wrong with them?",
        ),
        Entry(
            "review_list/page.py",
            "Review list",
            "checklist",
            "What is flagged, and what happens next?",
        ),
    ],
    "Data": [
        Entry(
            "your_data/page.py",
            "Your data",
            "upload_file",
            "How do I add my data?",
            study=False,
        ),
    ],
    "Learn": [
        Entry(
            "help.py",
            "Help",
            "menu_book",
            "What do the scores mean, and how do I use this app?",
            study=False,
        ),
    ],
}
SHARED = Path(__file__).parent / "shared"
#: Set after the study menu was drawn once: from then on it keeps the address.
_PICKED = "_study_picked"
#: Title of the page drawn last.
_PAGE = "_page_drawn"
_browser, _chart_keys = (
    st.components.v2.component(name, js=(SHARED / f"{name}.js").read_text(encoding="utf-8"))
    for name in ("browser", "chart_keys")
)
ABOUT = """**Which image labels can I not trust, and why?**

Bayesian neural networks for microscope images, after Deodato, Ball & Zhang (2020), “Bayesian Neural
Networks for Cellular Image Classification and Uncertainty Analysis”."""
EMPTY = """There is no study in `{root}` yet. One command makes a study, for example

```
bnn study mnist --preset quick     # handwritten digits, about 3 minutes
bnn study demo                     # a screen of cells drawn by code, no download
bnn import predictions.csv         # your existing predictions
```

Then reload this page. Studies in another folder: `BNN_CACHE=/folder streamlit run app.py`."""


def address(file: str) -> str:
    """The last part of a page's URL: the name of its file, or of its folder."""
    path = Path(file)
    return path.parent.name or path.stem


def run_app() -> None:
    """Draw the frame, then the page."""
    st.set_page_config(
        page_title="BNN cell images",
        page_icon=str(SHARED / "icon.svg"),
        layout="wide",
        menu_items={"About": ABOUT},
    )
    login.demand()
    st.html(SHARED / "page.css")
    st.logo(str(SHARED / "icon.svg"))
    # Before the navigation is drawn: its links drop the address.
    filters.keep_in_address()
    page, entry = navigate()
    study_entries = studies.entries()
    with st.sidebar:
        # In a container that is always there: the widgets below keep their positions.
        with st.container():
            login.draw()
            jobs_panel.draw()
        has_study = pick_study(study_entries)
        _browser(
            key="browser",
            data={
                "cookies": reviewer.cookie() | drafts.cookie(),
                "narrow": frame.narrow_window(),
            },
            on_unsent_change=keep_unsent,
            on_narrow_change=lambda: None,
        )
        _chart_keys(key="chart_keys")
    head, tools = st.columns([1.5, 1], gap="medium", vertical_alignment="bottom")
    with head.container(gap="xxsmall"):
        st.title(entry.title, anchor=False)
        st.caption(entry.question)
    if entry.study:
        draw_study_tools(entry, tools, has_study)
    if st.session_state.get(_PAGE, entry.title) != entry.title:
        flag_form.shut()
    st.session_state[_PAGE] = entry.title
    frame.follow_open_page()
    try:
        page.run()
    except InputError as error:
        st.error(as_sentence(error), icon=":material/error:")


def navigate() -> tuple[StreamlitPage, Entry]:
    """The pages in the sidebar, and the one in view."""
    here = Path(__file__).parent
    page = st.navigation(
        {
            group: [
                st.Page(
                    here / e.file,
                    url_path=address(e.file),
                    title=e.title,
                    icon=f":material/{e.icon}:",
                    help=e.question,
                )
                for e in entries
                if (here / e.file).is_file()
            ]
            for group, entries in PAGES.items()
        },
        expanded=True,
    )
    by_title = {entry.title: entry for group in PAGES.values() for entry in group}
    return page, by_title[page.title]


def draw_study_tools(
    entry: Entry, tools: st.delta_generator.DeltaGenerator, has_study: bool
) -> None:
    """Filters, score and saved views of a page about a study; the page ends here without one."""
    if not has_study:
        empty("wall", EMPTY.format(root=cache_root()), ":material/folder_open:")
        st.stop()
    try:
        draw_filters(entry, tools)
    except InputError as error:
        st.error(as_sentence(error), icon=":material/error:")
        st.stop()
    with st.sidebar:
        saved_views.draw(address(entry.file))


def keep_unsent() -> None:
    """Keep a note typed just before a reload; a callback of browser.js."""
    unsent = st.session_state["browser"]["unsent"]
    flag_form.keep_note(str(unsent["form"]), str(unsent["note"]))


def pick_study(entries: list[StudyEntry]) -> bool:
    """The study menu; False when there is no study."""
    if not entries:
        return False
    names = {entry.name: entry for entry in entries}
    # Names, as on the command line, because the address has the menu's value.
    asked = st.query_params.get("study")
    unknown = asked and asked not in names and st.session_state.get("study") in (None, asked)
    if (made := st.session_state.pop(studies.OPEN_NEXT, None)) in names:
        st.session_state["study"] = made
        leave_study()
    if st.session_state.get("study", asked) not in names:
        st.session_state["study"] = entries[0].name
    # A link must name its study. Streamlit omits a default from the address, and a value set by
    # the script before the first drawing.
    if asked not in names and not st.session_state.get(_PICKED):
        st.query_params["study"] = st.session_state["study"]
    st.session_state[_PICKED] = True
    with st.container(gap="xsmall"):
        st.markdown(":small[Study]")
        chosen = st.selectbox(
            "Study",
            list(names),
            index=None,
            required=True,
            key="study",
            bind="query-params",
            on_change=leave_study,
            label_visibility="collapsed",
        )
        st.caption(plain(names[chosen].title) or "cannot be opened")
        if unknown:
            st.warning(f"There is no study “{plain(asked)}” here; showing “{entries[0].name}”.")
    return True


def leave_study() -> None:
    """Clear filters and parameters of the address, which mean nothing in another study."""
    filters.reset()
    with suppress(InputError):  # shown where the study is opened
        scores.start_again(studies.opened(st.session_state["study"]))
    if "mark" in st.session_state:
        st.session_state["mark"] = ""  # part of an image id, typed on BNN vs standard
    for name in list(st.query_params):
        # The parameter of a drawn widget cannot be deleted; the page fits its value to the study.
        with suppress(StreamlitAPIException):
            del st.query_params[name]


def draw_filters(entry: Entry, tools: st.delta_generator.DeltaGenerator) -> None:
    """The filters in the sidebar, and the score and its cut-off at the top of the page."""
    study = frame.current_study()
    with st.sidebar:
        # In a container: without it the widgets below would move, and expanders would close.
        with st.container():
            if study.meta.get("synthetic"):
                st.badge("synthetic data", icon=":material/science:", color="violet")
            if study.about_rows:
                st.caption(study.about_rows)
        filters.draw(study)
    st.session_state.pop(scores.SHOWN, None)
    if entry.score:
        st.session_state[scores.SHOWN] = entry.cutoff
    # Drawn at the same position on every page: a widget that moves stops writing to the address
    # (its old copy is removed after the new one is drawn, with the binding). The page hides the
    # widgets that it does not use.
    hidden = [part for part, shown in (("score", entry.score), ("cut_", entry.cutoff)) if not shown]
    with tools:
        st.html(rendered("shared/templates/hidden.html", parts=hidden))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            scores.draw(study)


run_app()
