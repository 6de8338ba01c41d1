"""What a Bayesian method learnt of its weights' width, and how much of its doubt is of the model."""

from typing import Annotated, NotRequired, TypedDict

import pandas as pd

from bnn_core.base.files import read_json
from bnn_core.base.methods import method_of
from bnn_core.base.schema import Rule
from bnn_core.study.opened import Study

#: Roles of images in the order of a table, with words for a reader.
ROLES_IN_WORDS = {
    "scored": "scored images",
    "unlabelled": "images without a label",
    "control": "controls",
    "shifted": "known kinds from another source",
    "new": "kinds absent from training",
}


class _Widths(TypedDict):
    """Of config.json: layer -> median sigma before and after training."""

    sigma: NotRequired[
        dict[str, Annotated[list[float], Rule("two numbers", lambda pair: len(pair) == 2)]] | None
    ]


def layer_widths(study: Study, method: str) -> pd.DataFrame | None:
    """One row per Bayesian layer: layer, before, after (medians over folds) and ratio.

    before, after: the median sigma of the layer's weights before and after training. None where
    the study does not say: another method, or a study of an older version.
    """
    rows = []
    for path in sorted((study.path / "folds").glob(f"*/{method}/config.json")):
        sigmas = read_json(path, _Widths).get("sigma") or {}
        rows += [(layer, before, after) for layer, (before, after) in sigmas.items()]
    if not rows:
        return None
    table = pd.DataFrame(rows, columns=["layer", "before", "after"])
    table = table.groupby("layer", sort=False).median().reset_index()
    return table.assign(ratio=table["after"] / table["before"])


def epistemic_shares(study: Study, method: str) -> pd.DataFrame | None:
    """One row per role of images: role, n, and the share of variance between the networks.

    The share is the sum of the epistemic variances over the sum of both parts (eq. 8). None for a
    single network, and where the study has no samples.
    """
    table = study.table(method)
    parts = table[["role", "epistemic", "aleatoric"]].dropna()
    if method_of(method).single or parts.empty:
        return None
    sums = parts.groupby("role").agg(
        n=("epistemic", "size"), epistemic=("epistemic", "sum"), aleatoric=("aleatoric", "sum")
    )
    sums["share"] = sums["epistemic"] / (sums["epistemic"] + sums["aleatoric"])
    order = [role for role in ROLES_IN_WORDS if role in sums.index]
    return sums.loc[order, ["n", "share"]].reset_index()
