"""Your data: predictions from elsewhere, your own plates, and the public data sets."""

import streamlit as st

from pages.shared import import_form, plate_form

VIEWS = ("Import predictions", "Your own images", "Public data")
PUBLIC = (
    ("Handwritten digits (MNIST) and letters (EMNIST)",
     "The paper's first example: 70,000 digits, 12 MB to fetch; the letters show what the network "
     "does with things it never saw.",
     "bnn data mnist\nbnn data emnist\n"
     "bnn study mnist --preset quick                # about 3 minutes\n"
     "bnn study mnist --preset quick --ood emnist   # with letters beside the digits\n"
     "bnn predict mnist emnist                      # or added to a study that is there"),
    ("BBBC021, cells under 113 compounds",
     "The paper's second example, from the Broad Bioimage Benchmark Collection. One plate is 840 "
     "MB to fetch and 1.9 GB on disk; the compounds with a known mechanism, their other doses and "
     "DMSO are 43 GB to fetch and 49 GB on disk. Downloads go on where they stopped.",
     "bnn data bbbc021 --plates Week1_22123,Week1_22361\nbnn data bbbc021 --labelled"),
)


def main() -> None:
    """The page."""
    view = st.segmented_control("View", VIEWS, key="data_view", default=VIEWS[0], required=True,
                                bind="query-params", label_visibility="collapsed")
    if view == VIEWS[0]:
        import_form.draw()
    elif view == VIEWS[1]:
        plate_form.draw()
    else:
        public()


def public() -> None:
    """How the public data sets are fetched: by commands, because they take long."""
    st.caption("Downloads are checked, go on where they stopped, and land in `$BNN_DATA`, else in "
               "a folder of your user. Run the commands in a terminal on this machine; new studies "
               "then stand in the picker on the left.")
    for title, text, command in PUBLIC:
        st.subheader(title, anchor=False)
        st.markdown(text)
        st.code(command, language="bash")


main()
