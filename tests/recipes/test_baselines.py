"""Baselines of a study: on real fields, kept with a study that is made, computed for others."""

import json

import numpy as np
import pandas as pd
import pytest
from page_studies import write_animals, write_compounds, write_screen
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.images.contrast import otsu_threshold
from bnn_core.images.quality import measure_nuclei
from bnn_core.images.statistics import intensity_statistics
from bnn_core.measures.baselines import Shortcut
from bnn_core.recipes.baselines import (
    BASELINES,
    BASELINES_FILE,
    Baselines,
    compute,
    study_baselines,
    write_baselines,
)
from bnn_core.study.folder import open_study


def fields(folder):
    """Images table with nuclei, and statistics at 128 pixels, of every second real field."""
    table = pd.read_csv(folder / "fields.csv").rename(columns={"moa": "label"})
    table = table.iloc[::2].reset_index(drop=True)
    pixels = np.stack([np.asarray(Image.open(folder / name)) for name in table["image"]])
    dna = pixels[..., 2].astype(np.float32)
    nuclei = np.zeros((len(table), 2))
    for rows in table.groupby("plate").indices.values():
        counts = np.bincount(pixels[rows][..., 2].ravel(), minlength=256)
        nuclei[rows] = [measure_nuclei(dna[row], otsu_threshold(counts, 0, 255)) for row in rows]
    table = table.assign(
        role="scored",
        image_id=table["image"],
        group=table["compound"],
        batch=table["plate"].str.split("_").str[0],
        quality_nuclei=nuclei[:, 0],
        quality_nuclei_area=nuclei[:, 1],
    )
    wide = pixels.astype(np.float32)
    small = (wide[:, ::2] + wide[:, 1::2])[:, :, ::2] + (wide[:, ::2] + wide[:, 1::2])[:, :, 1::2]
    small = (small / 4).transpose(0, 3, 1, 2)
    return table, intensity_statistics(small)


def test_the_real_fields_are_described_by_nuclei_and_brightness(shared_data):
    """Measured before: 48 % of 660 fields by nuclei, 82 % with 27 statistics, compounds left out."""
    table, statistics = fields(shared_data / "bbbc021")
    assert statistics.shape == (330, 27)
    held = [(table["compound"] == name).to_numpy() for name in table["compound"].unique()]
    folds = [(np.flatnonzero(~part), np.flatnonzero(part)) for part in held]
    found = compute(table, sorted(set(table["label"])), folds, statistics, "fields")
    accuracies = {key: f["image"]["accuracy"] for key, f in found.accuracies.items()}
    assert list(accuracies) == [key for key in BASELINES if key != "features"]
    assert accuracies["majority"] < 0.35
    assert accuracies["nuclei"] == pytest.approx(0.47, abs=0.03)
    assert accuracies["intensities"] == pytest.approx(0.82, abs=0.02)
    assert found.accuracies["intensities"]["compound"]["right"] in (17, 18)
    # Measured with all fields: 80 % of 588, with the batch and without it.
    assert found.beyond_batch.batch_out == pytest.approx(0.81, abs=0.03)
    assert found.beyond_batch.left_out == ["Cholesterol-lowering"]  # one compound
    # Weeks differ in brightness; a plate of one week is harder to tell from its neighbours.
    assert found.shortcuts["batch"].accuracy > 2 * found.shortcuts["batch"].chance


def test_studies_from_elsewhere_get_theirs_from_thumbnails(tmp_path):
    study = open_study(write_screen(tmp_path))
    found = study_baselines(study)
    assert found.source == "thumbnails" and set(found.accuracies) >= {"majority", "intensities"}
    assert found.accuracies["majority"]["compound"]["n"] == 8
    assert not (study.path / BASELINES_FILE).exists()
    write_compounds(tmp_path)
    assert study_baselines(open_study(tmp_path / "compounds")) is None  # no pictures
    write_animals(tmp_path, n=40)
    assert study_baselines(open_study(tmp_path / "animals")).shortcuts == {}  # no plates


def test_what_is_kept_is_read_again_and_damage_is_named(tmp_path):
    study = open_study(write_screen(tmp_path))
    folds = [(np.arange(0, 96, 2), np.arange(1, 96, 2))]
    write_baselines(
        study.path, study.images, study.classes, folds, np.zeros((len(study.images), 2))
    )
    kept = study_baselines(study)
    assert kept.source != "thumbnails" and kept.accuracies["majority"]["image"]["n"] == 48
    path = study.path / BASELINES_FILE
    path.write_text(json.dumps({"accuracies": {}}))
    with pytest.raises(InputError, match=r"baselines\.json is damaged"):
        study_baselines(study)


def test_sentences_have_rounded_numbers_and_a_warning_only_where_it_is_easy():
    figures = {"image": {"accuracy": 0.824, "n": 660, "right": 544}}
    found = Baselines({"intensities": figures}, {}, "fields")
    assert "82 %" in found.sentence() and "The network" not in found.sentence()
    assert "97 %" in found.sentence(0.968) and found.shortcut_sentence() == ""
    hard = Baselines({}, {"plate": Shortcut(0.2, 10, 600, True)}, "fields")
    easy = Baselines({}, {"batch": Shortcut(0.9, 4, 600, True)}, "fields")
    assert hard.easy == [] and easy.easy == ["batch"]
    assert "90 % of control images" in easy.batch_sentence and hard.batch_sentence == ""
    assert "20 %" in hard.shortcut_sentence() and "shortcut" not in hard.shortcut_sentence()
    assert "90 %" in easy.shortcut_sentence() and "batch as a shortcut" in easy.shortcut_sentence()
