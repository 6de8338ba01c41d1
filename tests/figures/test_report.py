"""The report: one file that says what the study says, escapes what it quotes, fetches nothing."""

import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from page_studies import pages, write_animals, write_compounds, write_screen
from study_writing import write_study

from bnn_core.commands import cli
from bnn_core.figures.report import report_html
from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.recipes.baselines import study_baselines
from bnn_core.review.corrected_labels import corrected_labels
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import open_study
from bnn_core.suspects.explanation import TITLES
from bnn_core.suspects.ranking_wording import LOOKS_LIKE


def text_of(html: bytes) -> str:
    """The words of a page, without its scripts, styles and tags."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", html.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


@pytest.fixture(scope="module")
def published(shared_data, tmp_path_factory):
    """The study of the published table."""
    table = shared_data / "bbbc021" / "deodato2020_leave_one_compound_out.csv"
    out = tmp_path_factory.mktemp("published") / "authors"
    assert cli.main(["import", str(table), "--out", str(out)]) == 0
    return out


def test_the_published_figures_are_in_the_report(published, tmp_path):
    out = tmp_path / "r.html"
    assert cli.main(["report", str(published), "--out", str(out)]) == 0
    said = text_of(out.read_bytes())
    for figure in (
        "892 of 1,196",
        "81 of 101",
        "28 of 38",
        "29 of 38",
        "AUROC of right, by c  0.7886",
        "AUROC of right, by top softmax  0.7935",
        "AURC  0.0997",
        "AUGRC  0.0724",
        "Calibration error (ECE)  0.0990",
        "1.2951",
        "0.3847",
        "c ≥ 0.5  50.1 %  90.48 %",
        "c ≥ 0.9  20.2 %  97.93 %",
        "colchicine  Microtubule destabilizers  Kinase inhibitors  0 of 12",
        "1. colchicine: labelled Microtubule destabilizers, mostly predicted as Kinase inhibitors",
    ):
        assert figure.replace("  ", " ") in said, figure
    assert " nan " not in said
    assert out.stat().st_size < 8e6


@pytest.fixture
def animals(tmp_path):
    return open_study(write_animals(tmp_path))


def test_flagged_images_with_pictures_and_decisions(animals, tmp_path):
    log = ReviewLog(tmp_path)
    before = report_html(animals, log)
    assert "Flagged images No image is flagged." in text_of(before)
    log.flag(
        animals,
        [7, 3],
        reviewer="An <i>n</i>",
        reason="label suspect",
        decision="relabel",
        new_label="cat",
        note='<script>alert("x")</script>',
    )
    html = report_html(animals, log)
    assert report_html(animals, log) == html
    said = text_of(html)
    assert "2 of 300 images." in said and "img-0003" in said and "img-0007" in said
    assert '<script>alert("x")</script>' in said
    assert b"<script>alert" not in html and b"<i>n</i>" not in html
    assert html.count(b"data:image/webp;base64,") == before.count(b"data:image/webp;base64,") + 2


def test_nothing_is_fetched(animals, tmp_path):
    html = report_html(animals, ReviewLog(tmp_path)).decode()
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=\"(?!data:)", html)
    assert html.count('<div class="plot"') == html.count('type="application/json"') == 3


def test_hostile_names_stay_text(tmp_path):
    html = report_html(open_study(write_compounds(tmp_path)), ReviewLog(tmp_path))
    assert "Compound by compound" in text_of(html)
    classes = ["</script><b>x", "<img src=x>"]
    p = np.full((4, 2), 0.5) + np.array([0.3, -0.3])
    images = pd.DataFrame(
        {
            "image_id": list("abcd"),
            "label": classes * 2,
            "role": "scored",
            "fold": 0,
            "content_hash": "",
            "compound": ["<b>c", "d", "e", "f"],
        }
    )
    study = open_study(
        write_study(
            tmp_path / "odd",
            title="<h1>odd",
            kind="import",
            classes=classes,
            images=images,
            summaries={"vi": summarise(Moments(p), classes, images["label"].to_numpy(object))},
        )
    )
    html = report_html(study, ReviewLog(tmp_path)).decode()
    for text in ("</script><b>x", "<img src=x>", "<b>c", "<h1>odd"):
        assert text not in html


def test_a_screen_lists_its_suspect_first_with_explanations_and_pictures(tmp_path):
    study = open_study(write_screen(tmp_path))
    html = report_html(study, ReviewLog(tmp_path))
    said = text_of(html)
    accuracy = study.meta["metrics"]["vi"]["image"]["accuracy"]
    for line in (
        study_baselines(study).sentence(accuracy),
        study_baselines(study).shortcut_sentence(),
    ):
        assert line and line in said
    assert "1. D2: labelled D, mostly predicted as A" in said and TITLES["wrong_label"] in said
    assert html.count(b"data:image/webp") > 8


def test_the_report_words_a_suspect_like_the_page(published, monkeypatch):
    said = text_of(report_html(open_study(published), ReviewLog(published.parent)))
    words = "ALLN: labelled Protein degradation, most similar to Cholesterol-lowering"
    assert f"4. {words} Score" in said and LOOKS_LIKE in said
    assert "12 as DNA replication and 11 as Cholesterol-lowering" in said
    app = pages(
        monkeypatch, published.parent, "suspect_labels/page.py", study="authors", suspect="ALLN"
    )
    assert not app.exception and app.header[0].value.replace("\\", "") == words
    row = app.dataframe[0].value.set_index("title").loc["ALLN"]
    assert row[["suspected", "called"]].tolist() == ["Cholesterol-lowering", "11 of 24"]
    assert row[["interval", "ranks"]].tolist() == ["too few units", "–"]
    assert "Score 0.20 (2 treatments are too few for an interval), rank 4." in said
    assert re.search(r"Score 0\.00 \(95 % interval -0\.5\d to 0\.5\d from 2 treatments\)", said)
    assert "-1.00 to 1.00" not in said


def test_damaged_copies_are_no_wrong_calls_of_a_compound(tmp_path):
    p = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]])
    images = pd.DataFrame(
        {
            "image_id": ["a", "b", "a~blur"],
            "label": ["x", "y", "x"],
            "role": ["scored", "scored", "shifted"],
            "fold": 0,
            "content_hash": "",
            "compound": ["one", "two", "one"],
        }
    )
    study = open_study(
        write_study(
            tmp_path / "spoilt",
            title="s",
            kind="import",
            classes=["x", "y"],
            images=images,
            summaries={
                "vi": summarise(Moments(p), ["x", "y"], np.array(["x", "y", None], dtype=object))
            },
        )
    )
    assert "one x – 1 of 1" in text_of(report_html(study, ReviewLog(tmp_path)))
    # Nor are they part of the set that was labelled.
    assert corrected_labels(study, ReviewLog(tmp_path))["image_id"].tolist() == ["a", "b"]


def test_a_study_without_labels_says_so(tmp_path):
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    images = pd.DataFrame(
        {"image_id": ["a", "b"], "label": None, "role": "unlabelled", "fold": 0, "content_hash": ""}
    )
    study = open_study(
        write_study(
            tmp_path / "bare",
            title="Bare",
            kind="import",
            classes=["x", "y"],
            images=images,
            summaries={"vi": summarise(Moments(p), ["x", "y"], np.array([None, None]))},
        )
    )
    html = report_html(study, ReviewLog(tmp_path))
    assert "No image has a label that counts." in text_of(html)
    assert len(html) < 50_000


def test_an_unwritable_place_is_one_line(animals, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["report", str(animals.path), "--out", str(tmp_path / "file" / "r.html")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
