"""Out of distribution (figures 3A, 3B): scores of images of kinds absent from training."""

import numpy as np
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.scores import SCORES
from bnn_core.base.wording import percent
from bnn_core.measures import out_of_distribution as ood
from bnn_core.measures.mechanisms import Bins
from bnn_core.measures.new_compounds import plate_sets
from bnn_core.measures.out_of_distribution import NEW, OTHERS, SAME
from bnn_core.study.folder import Study
from pages.out_of_distribution import cutoff, views
from pages.out_of_distribution.kinds import all_kinds, draw_one_kind, predicted_as
from pages.out_of_distribution.new_compounds import draw_new_compounds
from pages.out_of_distribution.views import (
    BINS,
    CELL_WORDS,
    DAMAGED_WORDS,
    DIGIT_WORDS,
    KindWords,
    OodView,
    of_mark,
    pick_group,
)
from pages.shared import choices, filters, frame, scores, studies
from pages.shared.empty import empty
from pages.shared.judged import compared_methods, names, none_passes
from pages.shared.words import plain, without_none

OVERVIEW, KINDS, MAP, ONE, WHICH, COMPOUNDS = (
    "groups",
    "all kinds",
    "predictions",
    "one kind",
    "which score?",
    "new compounds",
)
DIGITS = """This study has no images of other kinds to compare with. Add letters, or any other
images. The existing networks predict them; nothing is trained again:

```
bnn data emnist                    # once: downloads EMNIST, 560 MB
bnn predict {name} emnist
bnn predict {name} my-images/      # a folder, an .npz or idx files
```

Then reload this page."""
CELLS = """This study has no images of mechanisms absent from training. Make a study that leaves out
each label in turn, with damaged copies of every image if you like:

```
bnn study plate TABLE.csv --label moa --group compound --leave-out label \\
    --corrupt blur,saturate,debris,wrong-channel
```

`TABLE.csv` is the table of this study. `bnn predict {name} FOLDER` adds other images, such as
another cell line."""
IMPORTED = """This study was imported from a table of predictions, so it has no networks to predict
other kinds. A column `role` with the values `scored`, `shifted` and `new` in the imported table adds
such images. Leave the label of new ones empty."""


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    cells = "compound" in study.images and study.images["compound"].notna().any()
    groups = ood.groups(studies.table(study, study.reading_method))
    if not np.isin(groups, OTHERS).any():
        text = IMPORTED if study.meta["kind"] == "import" else CELLS if cells else DIGITS
        empty("bars", text.format(name=study.name), ":material/travel_explore:")
        return
    if none_passes(study):
        return
    for added in study.meta.get("added", []):
        st.caption(f"Added: {added['images']:,} images of {plain(added['title'])}.")
    unseen = CELL_WORDS if (groups == NEW).any() else DAMAGED_WORDS
    view, look = choose(study, unseen if cells else DIGIT_WORDS)
    groups_shown = set(ood.groups(view.table)) - {""}
    if not groups_shown - {SAME}:
        st.info(
            f"No {filters.matching(study)} is of another kind.{filters.remedy()}",
            icon=":material/filter_alt_off:",
        )
        return
    if SAME not in groups_shown:
        st.warning(
            f"No {filters.matching(study)} is of a known kind, so there is no AUROC. In a study made "
            "with an older `--leave-out label` every mechanism is unseen: make the study again.",
            icon=":material/balance:",
        )
    draw = {
        OVERVIEW: overview,
        KINDS: all_kinds,
        MAP: predicted_as,
        ONE: draw_one_kind,
        WHICH: which,
        COMPOUNDS: draw_new_compounds,
    }
    draw[look](view)


def choose(study: Study, words: KindWords) -> tuple[OodView, str]:
    """The menus: kind of view, network, false alarms allowed."""
    methods = compared_methods(study)
    first, second = frame.menu_groups()
    with first:
        looks = [OVERVIEW, KINDS, MAP, ONE, WHICH]
        if plate_sets(study.images):
            looks.append(COMPOUNDS)
        look = choices.pick("View", looks, key="compare", default=OVERVIEW, width="content")
    with second:
        method = choices.pick_network(methods)
        score = cutoff.pick_score(study)
        alarm = st.slider(
            "False alarms allowed (%)",
            1,
            20,
            5,
            key="alarm",
            bind="query-params",
            width=190,
            help="The share of known images that may be set aside to detect others. Detection is "
            "counted at this rate. The cut-off is set by it, except for the score of the sidebar, "
            f"which has its own. {scores.MORE_FIGURES}",
        )
    rows = filters.passing(study)
    tables = {m: studies.table(study, m).iloc[rows] for m in study.methods}
    cut = cutoff.chosen(study, score, method, tables[method], alarm / 100)
    low, high = scores.score_range(study, cut.score)[:2]
    return OodView(
        study, methods, method, tables, Bins(cut.score, low, high, BINS), cut, alarm / 100, words
    ), look


@frame.fragment
def overview(view: OodView) -> None:
    """The groups side by side for each network, with a table below."""
    for column, method in zip(
        st.columns(len(view.methods), gap="medium"), view.methods, strict=True
    ):
        with column:
            st.markdown(f"**{names(view.study)[method]}**")
            views.chart(
                view,
                views.figure_of_groups(view.key, method, view),
                f"ood_groups_{method}",
                method,
                f"ood-{method}",
                f"{SCORES[view.cut.score].title} of known, shifted "
                f"and new images, {names(view.study)[method]}",
            )
    st.caption(
        f"Within a group every {view.words.kind} has the same weight. Click a bar to see its images."
    )
    table = without_none(views.separations(view.key, view.method, view)).set_index("group")
    numbers = [name for name in table if name.startswith(("AUROC", "detection"))]
    cells = table.style.format("{:.3f}", subset=numbers, na_rep="")
    if "predicted as" in table:  # cells are Markdown
        cells.format(plain, subset="predicted as", na_rep="")
    st.table(cells.format_index(plain))
    st.caption(
        "AUROC: the probability that the network is surer of a known image than of one of these; 0.5 is "
        f"chance. Detection: the share of these set aside while {percent(view.false_alarm)} of the "
        f"known images are. Higher is better. {scores.MORE_FIGURES}"
    )
    cutoff.caption_false_alarms(view)
    cutoff.caption_known(view)
    of_mark(view)


@frame.fragment
def which(view: OodView) -> None:
    """All scores of all methods, the best first."""
    group = pick_group(view, OTHERS)
    comparison = views.filtered_scores(view.key, group, view)
    if comparison.empty:
        st.info(
            f"No {filters.matching(view.study)} is of a known kind, or none is of this group."
            f"{filters.remedy()}"
        )
        return
    best = comparison.iloc[0]
    st.markdown(
        f"Best here: **{SCORES[best['score']].title}** of "
        f"**{names(view.study)[best['method']]}**, AUROC {best['auroc']:.3f}."
    )
    titles = {"auroc": "AUROC, all", "fpr95": "FPR95, all", "detection": "detection, all"}
    titles |= {name: f"AUROC, {name}" for name in ood.SUBSETS if name != "all"}
    renamed = comparison.assign(
        method=[method_of(key).short for key in comparison["method"]],
        score=[SCORES[key].title for key in comparison["score"]],
    ).rename(columns={"method": "Network", "score": "Score", **titles})
    numbers = [name for name in renamed if name in titles.values()]
    st.table(renamed.set_index("Network").style.format("{:.3f}", subset=numbers, na_rep=""))
    st.caption(
        f"Means over the {view.words.kinds}, each with the same weight. The best of many "
        "scores on the same images looks slightly too good: a difference in the third decimal "
        "means nothing. The standard network has no samples, so it has no scores of the variance. "
        f"{scores.MORE_FIGURES}"
    )


page()
