"""Compare methods: which method is best on these images, by which criterion, beyond chance?"""

import numpy as np
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.measures.comparison import predictions_made, times
from bnn_core.study.folder import Study
from pages.compare_methods.criteria import in_figures
from pages.compare_methods.curves import draw_reliability, retained
from pages.compare_methods.disagreement import disagreement
from pages.compare_methods.winners import winners
from pages.shared import filters, frame, panels, scores
from pages.shared.empty import empty
from pages.shared.judged import method_comparison, none_passes

#: The command that makes a study of several methods, by the kind of study.
COMMANDS = {
    "mnist": "bnn study mnist --methods {methods} --out cache/mnist-methods",
    "digits": "bnn study digits --methods {methods} --out cache/digits-methods",
    "bbbc021": "bnn study bbbc021 --methods {methods} --out cache/bbbc021-methods",
    "plate": "bnn study plate TABLE.csv --methods {methods} --out cache/methods",
}
RIVALS = "vi,standard,dropout,ensemble,laplace"
ONE_METHOD = """This study has one method, {has}, so there is nothing to compare. {how}"""
OF_FIVE = """This command makes a study of five methods on the same images:

```
{command}
```"""
ELSEWHERE = """`bnn study KIND --methods …` makes a study of several methods."""


def page() -> None:
    """Draw the page."""
    study = frame.current_study()
    if len(study.methods) < 2:
        command = COMMANDS.get(study.meta["kind"])
        how = OF_FIVE.format(command=command.format(methods=RIVALS)) if command else ELSEWHERE
        has = method_of(study.methods[0]).name
        empty("points", ONE_METHOD.format(has=has, how=how), ":material/compare:")
        return
    if none_passes(study):
        return
    score = scores.cutoff(study).score
    comparison = method_comparison(filters.key(study), score, study)
    if not comparison.n:
        empty(
            "points",
            f"No {filters.matching(study)} has a label that counts. Right and wrong need labels.",
            ":material/label_off:",
        )
    else:
        winners(study, comparison, score)
        in_figures(study, comparison, score)
        draw_reliability(study)
        retained(study, score)
    cost(study)
    disagreement(study)


def cost(study: Study) -> None:
    """Time and number of networks of each method."""
    st.header("What it costs", anchor=False)
    table = times(study.meta["methods"])
    networks = {m: study.meta["methods"][m].get("num_samples") for m in study.methods}
    if table["training"].isna().all():
        st.caption("This study does not record how long its methods took.")
        return
    predicted = predictions_made(study.images)
    lines = {
        "networks per prediction": ["–" if n is None else f"{n:,}" for n in networks.values()],
        "training, total": [_seconds(v) for v in table["training_total"]],
        "training, without the standard network": [_seconds(v) for v in table["training"]],
        "prediction": [_seconds(v) for v in table["prediction"]],
        "prediction per image": [_seconds(v / predicted) for v in table["prediction"]],
        "training, CPU time": [_seconds(v) for v in table["training_cpu"]],
        "prediction, CPU time": [_seconds(v) for v in table["prediction_cpu"]],
    }
    st.html(panels.by_method(study.methods, lines))
    based = [method_of(m).short for m, base in table["builds_on"].items() if base]
    if based:
        st.caption(
            "The total includes the standard network where a method builds on it: "
            f"{', '.join(based)}. Wall-clock time on the machine that made the study."
        )


def _seconds(value: float) -> str:
    if np.isnan(value):
        return "–"
    if value < 0.1:
        return f"{1000 * value:.2g} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


page()
