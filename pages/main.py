"""The frame around every page: navigation, the study, the shared filters, the page's question."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Streamlit puts the folder of this script on the path; imports start one folder above it.
if (ROOT := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.insert(0, ROOT)

import streamlit as st
from streamlit.errors import StreamlitAPIException

from bnn_core.base.errors import InputError
from bnn_core.study.catalogue import StudyEntry, cache_root
from pages.shared import drafts, filters, flag_form, frame, reviewer, scores, studies
from pages.shared.words import plain


class Entry(NamedTuple):
    """One page: its file, its name and icon in the navigation, the question that it answers.

    score, cutoff: what stands at the page's head, for the page follows it. study: the page needs
    one.
    """

    file: str
    title: str
    icon: str
    question: str
    score: bool = False
    cutoff: bool = False
    study: bool = True


#: To add a page: write pages/<file> and name it here. Groups stand in the order of the work.
PAGES: dict[str, list[Entry]] = {
    "Look": [
        Entry(
            "overview.py",
            "Overview",
            "dashboard",
            "How good is this study, at a glance?",
            score=True,
            cutoff=True,
        ),
        Entry(
            "mechanisms.py",
            "Mechanisms",
            "medication",
            "What are the compounds of one mechanism taken for, and what do they look like?",
            score=True,
            cutoff=True,
        ),
        Entry("plates.py", "Plates", "grid_on", "Does it matter where on the plate a well lies?"),
        Entry("one_image/page.py", "One image", "image", "Why is it unsure of this one?"),
    ],
    "Doubt": [
        Entry(
            "confidence.py",
            "Confidence",
            "bar_chart_4_bars",
            "How sure is it when right and when wrong, and what do I gain by a cut-off?",
            score=True,
            cutoff=True,
        ),
        Entry(
            "bnn_vs_standard.py",
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
            "What does it do with kinds of images that it never saw?",
            score=True,
            cutoff=True,
        ),
        Entry(
            "compare_methods.py",
            "Compare methods",
            "leaderboard",
            "Would another posterior do better on these images?",
            score=True,
        ),
    ],
    "Review": [
        Entry(
            "suspect_labels/page.py",
            "Suspect labels",
            "help_center",
            "Which labels deserve a second look, and what may be the matter?",
        ),
        Entry(
            "review_list/page.py", "Review list", "checklist", "What have I flagged, and what now?"
        ),
    ],
    "Data": [
        Entry(
            "your_data/page.py",
            "Your data",
            "upload_file",
            "How do I get my own data in?",
            study=False,
        ),
    ],
}
SHARED = Path(__file__).parent / "shared"
#: Set once the picker was drawn: the address is its own from then on.
_PICKED = "_study_picked"
#: Title of the page that was drawn last.
_PAGE = "_page_drawn"
_browser = st.components.v2.component(
    "browser", js=(SHARED / "browser.js").read_text(encoding="utf-8")
)
ABOUT = """**Which image labels can I not trust, and why?**

Bayesian neural networks for microscope images, after Deodato, Ball & Zhang (2020), “Bayesian Neural
Networks for Cellular Image Classification and Uncertainty Analysis”."""
EMPTY = """There is no study in `{root}` yet. A study is made by one command, for example

```
bnn study mnist --preset quick     # handwritten digits, about 3 minutes
bnn study demo                     # a screen of cells drawn by code, no download
bnn import predictions.csv         # predictions you already have
```

Then reload this page. Studies kept elsewhere: `BNN_CACHE=/folder streamlit run app.py`."""


def address(file: str) -> str:
    """The last part of a page's URL: the name of its file, or of its folder."""
    path = Path(file)
    return path.parent.name or path.stem


def main() -> None:
    """Draw the frame, then the page."""
    here = Path(__file__).parent
    st.set_page_config(
        page_title="BNN cell images",
        page_icon=str(SHARED / "icon.svg"),
        layout="wide",
        menu_items={"About": ABOUT},
    )
    st.logo(str(SHARED / "wordmark.svg"), icon_image=str(SHARED / "icon.svg"))
    by_title = {entry.title: entry for group in PAGES.values() for entry in group}
    # Before the navigation is there to be clicked: its links drop the address.
    filters.keep_in_address()
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
    entry = by_title[page.title]
    found = studies.entries()
    with st.sidebar:
        known = pick_study(found)
        _browser(key="browser", data={"cookies": reviewer.cookie() | drafts.cookie()})
    head, tools = st.columns([1.5, 1], gap="medium", vertical_alignment="bottom")
    with head.container(gap="xxsmall"):
        st.title(entry.title, anchor=False)
        st.caption(entry.question)
    if entry.study:
        if not known:
            st.info(EMPTY.format(root=cache_root()), icon=":material/folder_open:")
            st.stop()
        try:
            draw_filters(entry, tools)
        except InputError as error:
            st.error(str(error), icon=":material/error:")
            st.stop()
    if st.session_state.get(_PAGE, entry.title) != entry.title:
        flag_form.shut()
    st.session_state[_PAGE] = entry.title
    frame.follow_open_image()
    try:
        page.run()
    except InputError as error:
        st.error(str(error), icon=":material/error:")


def pick_study(found: list[StudyEntry]) -> bool:
    """The study picker; False when there is nothing to pick."""
    if not found:
        return False
    names = {entry.name: entry for entry in found}
    # The address carries what the picker shows, so it shows names, as the command line does.
    asked = st.query_params.get("study")
    unknown = asked and asked not in names and st.session_state.get("study") in (None, asked)
    if (made := st.session_state.pop(studies.OPEN_NEXT, None)) in names:
        st.session_state["study"] = made
        leave_study()
    if st.session_state.get("study", asked) not in names:
        st.session_state["study"] = found[0].name
    # A link shall name its study. Streamlit leaves a default out of the address, and what the
    # script sets before the first drawing.
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
            st.warning(f"There is no study “{plain(asked)}” here; showing “{found[0].name}”.")
    return True


def leave_study() -> None:
    """Filters, and what the address names in the study that is left, mean nothing in another."""
    filters.reset()
    with suppress(InputError):  # said where the study is opened
        scores.start_again(studies.opened(st.session_state["study"]))
    if "mark" in st.session_state:
        st.session_state["mark"] = ""  # part of an image id, typed on BNN vs standard
    for name in list(st.query_params):
        # A widget that is drawn owns its parameter, which cannot be deleted; the page fits its
        # value to the study.
        with suppress(StreamlitAPIException):
            del st.query_params[name]


def draw_filters(entry: Entry, tools: st.delta_generator.DeltaGenerator) -> None:
    """What the study is, the filters, and at the page's head the score and its cut-off."""
    study = frame.current_study()
    with st.sidebar:
        # In a place of its own: what comes below is drawn anew, and expanders close, when it moves.
        with st.container():
            if study.meta.get("synthetic"):
                st.badge("synthetic data", icon=":material/science:", color="violet")
        filters.draw(study)
    # Drawn on every page at the same place, for the address keeps them: moved to another place, a
    # widget ceases to write itself there (its old copy goes after the new one has come, and takes
    # the tie with it). What the page does not follow is not shown.
    hidden = [part for part, shown in (("score", entry.score), ("cut_", entry.cutoff)) if not shown]
    with tools:
        st.html(
            "<style>"
            + "".join(f'[class*="st-key-{part}"] {{ display: none }}' for part in hidden)
            + "</style>"
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            scores.draw(study)


main()
