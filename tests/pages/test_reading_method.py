"""Pages, report and export read the same method, in whatever order the methods were trained."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from page_studies import pages
from study_writing import write_study

from bnn_core.figures.report import report_html
from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.review.exporting import export_bytes
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study

CLASSES = ["ant", "bee", "cat", "dog"]
#: The two classes that each method predicts, in turn.
PREDICTS = {"vi": ("ant", "bee"), "dropout": ("bee", "cat"), "standard": ("cat", "dog")}


def write_three(cache, order):
    n = 40
    labels = np.array(CLASSES, dtype=object)[np.arange(n) % 4]
    images = pd.DataFrame(
        {"image_id": [f"img-{i}" for i in range(n)], "label": labels, "role": "scored", "fold": 0}
    )
    summaries = {}
    for method in order:
        p = np.full((n, 4), 0.1)
        predicted = [CLASSES.index(PREDICTS[method][i % 2]) for i in range(n)]
        p[np.arange(n), predicted] = 0.7
        summaries[method] = summarise(Moments(p), CLASSES, labels)
    return write_study(
        cache / "three",
        title="Three",
        kind="import",
        classes=CLASSES,
        images=images,
        summaries=summaries,
    )


#: Every method is once the first, once in the middle and once the last.
ORDERS = [
    ("vi", "dropout", "standard"),
    ("dropout", "standard", "vi"),
    ("standard", "vi", "dropout"),
]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_vi_counts_in_every_order(monkeypatch, tmp_path, order):
    study = open_study(write_three(tmp_path, order))
    assert study.methods == list(order) and study.reading_method == "vi"

    log = ReviewLog(tmp_path)
    log.flag(study, [3], reviewer="Ada", reason="label suspect", decision="exclude")
    exported = pd.read_csv(io.BytesIO(export_bytes(study, log)))
    assert list(exported["predicted"]) == list(exported["vi_predicted"]) == ["bee"]

    report = report_html(study, log).decode()
    line = re.search(r"<td[^>]*>img-3</td>(.*?)</tr>", report[report.index("Flagged images") :])
    assert re.findall(r"<td[^>]*>(\w+)</td>", line[1])[:2] == ["dog", "bee"]

    app = pages(monkeypatch, tmp_path, "review_list/page.py", study="three", flagged_as="table")
    assert not app.exception
    assert app.multiselect(key="predicted").options == ["ant", "bee"]
    table = app.dataframe[0].value
    assert list(table["predicted"]) == ["bee"]
