"""New plates on Your data: checked against the study in view, and predicted by a job."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from page_studies import pages, text_of, write_animals

from bnn_core.commands import cli
from bnn_core.datasets.image_sets import split_name
from bnn_core.recipes import jobs
from pages.your_data import forms, new_plates_form
from pages.your_data.new_plates_form import FIELDS

PAGE, VIEW = "your_data/page.py", "New plates"
SMALL = "--preset quick --epochs 1 --num-samples 4 --folds 2"
IMAGES = "--head-width 8 --pathways 1 --crop 8 --size 16"
COMPOUNDS = [("a", "X"), ("b", "X"), ("c", "Y"), ("d", "Y"), ("DMSO", None)]


def wells(plate):
    return pd.DataFrame(
        {
            "plate": plate,
            "well": [f"B{k + 1:02d}" for k in range(10)],
            "compound": [COMPOUNDS[k % 5][0] for k in range(10)],
            "moa": [COMPOUNDS[k % 5][1] for k in range(10)],
        }
    )


def write_plate(folder, plate, seed, column="FileName_DNA"):
    """One plate of ten wells, one channel; the table's path."""
    rng, table = np.random.default_rng(seed), wells(plate)
    table[column] = [f"{plate}_{k}.tif" for k in range(len(table))]
    for name in table[column]:
        tifffile.imwrite(folder / name, rng.integers(90, 900, (24, 30)).astype(np.uint16))
    table.to_csv(folder / f"{plate}.csv", index=False)
    return folder / f"{plate}.csv"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A study of plates, one of features, and one without networks."""
    root = tmp_path_factory.mktemp("new") / "cache"
    root.mkdir()
    write_animals(root, n=30)
    old = write_plate(root.parent, "P1", 0)
    out = ["--out", str(root / "screen"), *SMALL.split(), "--control", "DMSO"]
    assert cli.main(["study", "plate", str(old), *out, *IMAGES.split()]) == 0
    rng = np.random.default_rng(0)
    profiles = wells("P1").dropna().assign(**{f"f{k}": rng.normal(size=8) for k in range(6)})
    profiles.to_csv(root.parent / "profiles.csv", index=False)
    out = ["--out", str(root / "profiles"), *SMALL.split()]
    assert cli.main(["study", "features", str(root.parent / "profiles.csv"), *out]) == 0
    return root


def queued(monkeypatch):
    submitted = []
    monkeypatch.setattr(jobs, "submit", lambda *given: submitted.append(given[1:3]))
    return submitted


def test_new_plates_are_counted_by_role_and_predicted_by_a_job(monkeypatch, cache, tmp_path):
    submitted = queued(monkeypatch)
    app = pages(monkeypatch, cache, PAGE, study="screen", data_view=VIEW)
    assert not app.exception and not app.code
    # They are read like the study's plates: fields that say otherwise are folded.
    (folded,) = [e for e in app.main.expander if e.label == forms.FOLDED]
    assert {"plate_label", "plate_control", "plate_layout"} <= {t.key for t in folded.text_input}
    table = write_plate(tmp_path, "N1", 1)
    app.text_input(key="plate_path").input(str(table)).run()
    assert "10 images on 1 new plate" in app.success[0].value
    assert "8 with a label of the study, 2 untreated" in app.success[0].value
    assert app.code[0].value == f"bnn predict screen {table}"
    app.toggle(key="new_deploy").set_value(True)
    app.text_input(key="new_name").input("may").run()
    app.button(key="new_predict").click().run()
    assert submitted == [(("predict", "screen", f"may={table}", "--deploy"), "screen")]
    app.text_input(key="new_out").input("animals").run()
    assert app.button(key="new_predict").disabled  # another study is replaced only if one says so


@pytest.mark.parametrize("out", ["/tmp/evil", "../evil", "a/b", "..", ".a", "a\\b", "x" * 201])
def test_a_new_study_lies_beside_the_others(monkeypatch, cache, tmp_path, out):
    app = pages(monkeypatch, cache, PAGE, study="screen", data_view=VIEW)
    app.text_input(key="plate_path").input(str(write_plate(tmp_path, "N1", 1))).run()
    app.text_input(key="new_out").input(out).run()
    assert not app.exception and len(app.error) == 1 and not app.code
    assert "new_predict" not in [button.key for button in app.button]
    app.text_input(key="new_out").input("beside").run()
    assert not app.error and app.code[0].value.endswith("--out beside")


@pytest.mark.parametrize("name", ["-x", "--deploy", "a=b", "a&b", "plates (1)", "..", "x" * 201])
def test_the_name_of_a_set_is_one_that_the_command_reads(monkeypatch, cache, tmp_path, name):
    app = pages(monkeypatch, cache, PAGE, study="screen", data_view=VIEW)
    app.text_input(key="plate_path").input(str(write_plate(tmp_path, "N1", 1))).run()
    app.text_input(key="new_name").input(name).run()
    assert not app.exception and len(app.error) == 1 and not app.code
    assert "OTHER=" not in app.error[0].value


@pytest.mark.parametrize("stem", ["plates (1)", "a=b", "-x & y, #'z"])
def test_a_table_of_any_name_is_predicted_under_it(monkeypatch, cache, tmp_path, stem):
    submitted = queued(monkeypatch)
    app = pages(monkeypatch, cache, PAGE, study="screen", data_view=VIEW)
    table = write_plate(tmp_path, "N1", 1).rename(tmp_path / f"{stem}.csv")
    app.text_input(key="plate_path").input(str(table)).run()
    app.button(key="new_predict").click().run()
    ((words, _),) = submitted
    assert words == ("predict", "screen", str(table)) and split_name(words[-1]) == (None, table)


def test_a_plate_of_other_channels_names_them(monkeypatch, cache, tmp_path):
    app = pages(monkeypatch, cache, PAGE, study="screen", data_view=VIEW)
    table = write_plate(tmp_path, "N1", 1, "FileName_ER")
    app.text_input(key="plate_path").input(str(table)).run()
    assert not app.exception and "ER" in app.error[0].value and not app.code


def test_new_rows_of_features_are_predicted_as_well(monkeypatch, cache, tmp_path):
    submitted = queued(monkeypatch)
    app = pages(monkeypatch, cache, PAGE, study="profiles", data_view=VIEW)
    rows = pd.read_csv(cache.parent / "profiles.csv").assign(plate="P2", moa=["Z", *[None] * 7])
    rows.to_csv(tmp_path / "may.csv", index=False)
    app.text_input(key="features_path").input(str(tmp_path / "may.csv")).run()
    assert not app.exception and not app.error
    assert "8 rows" in app.success[0].value and "7 without a label" in app.success[0].value
    assert "1 with a label that the study does not have" in app.success[0].value
    app.button(key="new_predict").click().run()
    assert submitted == [(("predict", "profiles", str(tmp_path / "may.csv")), "profiles")]
    rows.drop(columns="f3").to_csv(tmp_path / "less.csv", index=False)
    app.text_input(key="features_path").input(str(tmp_path / "less.csv")).run()
    assert "f3" in app.error[0].value and not app.code


def plan_counted(monkeypatch, name):
    """The sets that were compared with the study."""
    calls, real = [], getattr(new_plates_form, name)
    monkeypatch.setattr(
        new_plates_form,
        name,
        lambda *given, **asked: calls.append(given[2]) or real(*given, **asked),
    )
    return calls


def test_plates_are_compared_with_the_study_once(monkeypatch, cache, tmp_path):
    calls = plan_counted(monkeypatch, "plan_plates")
    app = pages(monkeypatch, cache, PAGE, study="screen", data_view=VIEW)
    app.text_input(key="plate_path").input(str(write_plate(tmp_path, "N1", 1))).run()
    app.run()
    assert calls == ["N1"] and app.code
    app.text_input(key="new_name").input("may").run()
    app.selectbox(key="new_anchor").set_value("controls").run()
    assert calls == ["N1", "may", "may"]


def test_rows_that_the_study_has_are_not_predicted_again(monkeypatch, cache, tmp_path):
    root = shutil.copytree(cache, tmp_path / "cache")
    table = tmp_path / "may.csv"
    rows = pd.read_csv(cache.parent / "profiles.csv").assign(plate="P2")
    rows.to_csv(table, index=False)
    assert cli.main(["predict", str(root / "profiles"), str(table)]) == 0
    calls = plan_counted(monkeypatch, "plan_features")
    app = pages(monkeypatch, root, PAGE, study="profiles", data_view=VIEW)
    app.text_input(key="features_path").input(str(table)).run()
    app.run()
    assert calls == ["may"]
    assert not app.exception and not app.success and not app.error and not app.code
    rows.assign(f0=0.5).to_csv(table, index=False)  # other rows under the same name
    app.run()
    assert FIELDS["name"] in app.error[0].value and "OTHER=" not in app.error[0].value
    assert not app.code


@pytest.mark.parametrize("view", [VIEW, None])
@pytest.mark.parametrize("study, key", [("screen", "plate_path"), ("profiles", "features_path")])
def test_an_error_stands_alone(monkeypatch, cache, study, key, view):
    views = {"plate_path": "Your own images", "features_path": "Measured features"}
    app = pages(monkeypatch, cache, PAGE, study=study, data_view=view or views[key])
    assert any("Choose a" in info.value for info in app.info)
    app.text_input(key=key).input("x" * 300).run()
    assert not app.exception and len(app.error) == 1
    assert not any("Choose a" in info.value for info in app.info)


def test_a_study_without_networks_says_so(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE, study="animals", data_view=VIEW)
    assert not app.exception and "networks" in app.info[0].value
    assert FIELDS["name"] not in text_of(app)
