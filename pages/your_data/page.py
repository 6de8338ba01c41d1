"""Your data: predictions from elsewhere, own images or features, new plates, public data sets."""

import streamlit as st

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.datasets.mnist import data_root
from bnn_core.study.folder import Study
from pages.shared import jobs_panel, studies
from pages.your_data import (
    download_form,
    features_form,
    forms,
    import_form,
    new_plates_form,
    plate_form,
)

VIEWS = (
    "Import predictions",
    "Your own images",
    "Measured features",
    "New plates",
    "Public data",
)
PUBLIC = (
    (
        "Handwritten digits (MNIST) and letters (EMNIST)",
        "The paper's first example: 70,000 digits, 12 MB to fetch; the letters show what the "
        "network does with kinds of images absent from training. A stopped download starts from the "
        "beginning.",
        "bnn data mnist\nbnn data emnist\n"
        "bnn study mnist --preset quick                # about 3 minutes\n"
        "bnn study mnist --preset quick --ood emnist   # with letters beside the digits\n"
        "bnn predict mnist emnist                      # or added to an existing study",
    ),
    (
        "BBBC021, cells under 113 compounds",
        "The paper's second example, from the Broad Bioimage Benchmark Collection. One plate is 840 "
        "MB to fetch and 1.9 GB on disk; the compounds with a known mechanism, their other doses and "
        "DMSO are 43 GB to fetch and 49 GB on disk. A stopped download continues where it stopped.",
        "bnn data bbbc021 --plates Week1_22123,Week1_22361\nbnn data bbbc021 --labelled",
    ),
)


def page() -> None:
    """The page."""
    view = st.segmented_control(
        "View",
        VIEWS,
        key="data_view",
        default=VIEWS[0],
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == VIEWS[0]:
        import_form.draw()
    elif view == VIEWS[1]:
        plate_form.draw()
    elif view == VIEWS[2]:
        features_form.draw()
    elif view == VIEWS[3]:
        new_plates_form.draw(_study_in_view())
    else:
        public()


def _study_in_view() -> Study | None:
    """The study of the sidebar; None where there is none, or it cannot be opened."""
    try:
        return studies.opened(st.session_state.get("study") or "")
    except InputError:
        return None


def public() -> None:
    """The public data sets: fetched here or by the command, trained on by the command."""
    st.caption(
        f"Downloads are checked and saved in `{data_root().resolve()}` (`$BNN_DATA`, else a "
        "folder of your user). Train on MNIST with its button, on BBBC021 in a terminal on this machine. "
        "The new study then appears in the sidebar."
    )
    download_form.draw_state()
    (digits, about_digits, train), (cells, about_cells, fetch) = PUBLIC
    st.header(digits, anchor=False)
    st.markdown(about_digits)
    if not roots.read_only():
        with st.container(horizontal=True):
            download_form.button("Fetch MNIST", ["mnist"])
            download_form.button("Fetch EMNIST", ["emnist"])
            jobs_panel.button(
                "Train on MNIST", ["study", "mnist", "--preset", "quick"], "mnist", "mnist_train"
            )
    st.code(train, language="bash", wrap_lines=True)
    st.header(cells, anchor=False)
    st.markdown(about_cells)
    if not roots.read_only():
        fetch_cells()
    st.code(fetch, language="bash", wrap_lines=True)


def fetch_cells() -> None:
    """Which part of BBBC021 to fetch, and the button."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        plates = forms.words(
            st.text_input(
                "Plates",
                key="fetch_plates",
                placeholder="Week1_22123,Week1_22361",
                help="Separated by commas. Empty: all 55 plates.",
                width=360,
            )
        )
        labelled = st.toggle("Only labelled compounds and DMSO", key="fetch_labelled", value=True)
        words = [
            *([f"--plates={','.join(plates)}"] if plates else []),
            *(["--labelled"] if labelled else [] if plates else ["--all"]),
        ]
        size = f"{840 * len(plates)} MB" if plates else "43 GB"
        disk = 1.9 * len(plates) if plates else 49 if labelled else 104
        download_form.button(
            f"Fetch BBBC021 ({size})",
            ["bbbc021", *words],
            f"This fetches **{size}** and needs about **{disk:g} GB** on disk"
            + (", which takes hours." if not plates else ".")
            + " It continues when you leave this page and can be stopped.",
        )


page()
