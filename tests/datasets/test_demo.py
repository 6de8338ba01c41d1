"""The synthetic screen: reproducible, lawful, and every planted fault is where the truth says."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.datasets.demo import cells, synthetic_screen
from bnn_core.datasets.demo.design import DemoDesign, lay_out
from bnn_core.datasets.demo.faults import NO_EFFECT, TRUTH_COLUMNS, plant_in_wells
from bnn_core.datasets.demo.optics import Optics
from bnn_core.datasets.demo.outsiders import DAMAGES
from bnn_core.datasets.demo.phenotypes import (
    DEMO_CLASSES,
    FAINT_MECHANISM,
    MECHANISMS,
    UNSEEN_MECHANISM,
    UNTREATED,
)
from bnn_core.datasets.sources import open_source
from bnn_core.images.decoding import read_image
from bnn_core.recipes import screens
from bnn_core.review.agreement import agreements
from bnn_core.review.examples import load_examples
from bnn_core.review.log import ReviewLog
from bnn_core.study.checking import check_study
from bnn_core.study.fields import read_original
from bnn_core.study.folder import open_study
from bnn_core.suspects.ranking import rank

SMALL = DemoDesign(
    mechanisms=5, compounds=12, weeks=2, sites=1, control_wells=1, unseen=1, size=32,
    training_size=24, mislabelled=1, replicate_swaps=1, blurred=4, empty=3, debris=4, odd_weeks=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def small() -> synthetic_screen.Demo:
    return synthetic_screen.generate_screen(5, SMALL)


@pytest.fixture
def drawn_once(small, monkeypatch):
    """Preparing takes the pictures of `small`."""
    monkeypatch.setattr(synthetic_screen, "generate_screen", lambda seed, design: small)


def _laid_out(seed: int, design: DemoDesign):
    """A layout before and after planting, and the truth."""
    before = lay_out(design, np.random.default_rng(seed))
    after = lay_out(design, np.random.default_rng(seed))
    truth = plant_in_wells(design, after, np.random.default_rng(seed + 1))
    return before, after, truth


def _images_of(drawn: synthetic_screen.Demo, kind: str) -> np.ndarray:
    ids = drawn.truth.loc[drawn.truth["kind"] == kind, "image_id"]
    return drawn.images[drawn.table["image_id"].isin(ids)]


# The whole screen


def test_same_seed_same_bytes_other_seed_other_screen(small):
    again = synthetic_screen.generate_screen(5, SMALL)
    np.testing.assert_array_equal(small.images, again.images)
    pd.testing.assert_frame_equal(small.table, again.table)
    pd.testing.assert_frame_equal(small.truth, again.truth)
    other = synthetic_screen.generate_screen(6, SMALL)
    assert set(other.table["compound"]) != set(small.table["compound"])


def test_table_and_images_belong_together(small):
    n = len(small.table)
    assert small.images.shape == (n, 3, 32, 32) and small.images.dtype == np.uint8
    assert small.channels == ("actin", "tubulin", "DNA")
    assert small.table["image_id"].is_unique
    assert list(small.table.index) == list(range(n))
    scored = small.table["role"] == "scored"
    assert sorted(small.table.loc[scored, "label"].unique()) == small.classes
    new = small.table["role"] == "new"
    assert (
        set(small.table.loc[new, "label"]) == {UNSEEN_MECHANISM}
        and UNSEEN_MECHANISM not in small.classes
    )
    assert small.table.loc[new, "compound"].nunique() == SMALL.unseen
    assert small.table.loc[~scored & ~new, "label"].isna().all()
    assert not small.table.duplicated(["plate", "well", "site"]).any()
    np.testing.assert_array_equal(
        small.table["role"] == "control", small.table["compound"] == "DMSO"
    )
    assert FAINT_MECHANISM in small.classes


def test_shipped_size_and_names():
    layout = lay_out(DemoDesign(), np.random.default_rng(0))
    images = len(layout.wells) * DemoDesign().sites
    assert 800 <= images <= 1000
    assert len(layout.compounds) == 38 and layout.classes == DEMO_CLASSES
    assert all("(sim)" in name for name in DEMO_CLASSES)
    assert layout.compounds["moa"].value_counts().min() >= 3


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_laws_of_every_layout(seed):
    before, after, truth = _laid_out(seed, replace(SMALL, compounds=16))
    wells = after.wells
    treated = wells[wells["role"] != "control"]
    assert after.compounds["compound"].is_unique
    assert (treated.groupby("compound")["batch"].nunique() == 1).all()
    assert not wells.duplicated(["plate", "well"]).any()
    # Every treatment stands once on each plate of its week.
    assert (treated.groupby(["compound", "concentration"])["plate"].nunique() == 3).all()
    # What wells say, but labels of the mislabelled, is as it was; nothing else has moved.
    says = ["plate", "well", "compound", "concentration", "role"]
    pd.testing.assert_frame_equal(before.wells[says], wells[says])
    wrong = truth.loc[truth["kind"] == "wrong mechanism", "compound"]
    relabelled = before.wells["label"].fillna("") != wells["label"].fillna("")
    np.testing.assert_array_equal(
        relabelled, wells["compound"].isin(wrong) & (wells["role"] == "scored")
    )
    moved = (before.wells["shown"] != wells["shown"]).to_numpy()
    swapped = np.zeros(len(wells), dtype=bool)
    for row in truth[truth["kind"].isin(["well swap", "replicate swap"])].itertuples():
        here = (wells["compound"] == row.compound) & (wells["plate"] == row.plate)
        swapped |= (here & (wells["well"] == row.well) if row.level == "well" else here).to_numpy()
    np.testing.assert_array_equal(moved, swapped)


# Planted faults


def test_truth_counts_and_columns(small):
    assert list(small.truth.columns) == TRUTH_COLUMNS
    assert small.truth["kind"].value_counts().to_dict() == {
        "inactive dose": 1, "wrong mechanism": 1, "mixed": 1, "replicate swap": 2, "well swap": 2,
        "out of focus": 4, "empty": 3, "debris": 4,
    }  # fmt: skip
    for row in small.truth.itertuples():
        assert (row.given != row.true) == (row.level != "image")


def test_wrong_mechanism_is_the_label_in_the_table(small):
    row = small.truth[small.truth["kind"] == "wrong mechanism"].iloc[0]
    labels = small.table.loc[small.table["compound"] == row["compound"], "label"].dropna()
    assert set(labels) == {row["given"]} and row["true"] in small.classes


def test_inactive_dose_shows_nothing_and_higher_doses_do():
    _, after, truth = _laid_out(1, DemoDesign())
    row = truth[truth["kind"] == "inactive dose"].iloc[0]
    own = after.wells[after.wells["compound"] == row["compound"]]
    labelled = own["concentration"] == row["concentration"]
    assert (labelled == (own["role"] == "scored")).all()
    assert own.loc[labelled, "strength"].max() < 0.1
    assert own.loc[own["concentration"] > row["concentration"], "strength"].min() > 0.7
    assert row["true"] == NO_EFFECT
    others = after.wells[(after.wells["role"] == "scored") & (after.wells["compound"]
                         != row["compound"])]  # fmt: skip
    assert others["strength"].min() > 0.5


def test_swapped_wells_show_each_other():
    before, after, truth = _laid_out(2, DemoDesign())
    first, second = truth[truth["kind"] == "well swap"].itertuples()
    at = {
        row.well: (after.wells["plate"] == row.plate) & (after.wells["well"] == row.well)
        for row in (first, second)
    }
    shows = ["shown", "strength"]
    np.testing.assert_array_equal(
        after.wells.loc[at[first.well], shows], before.wells.loc[at[second.well], shows]
    )
    assert first.true == second.given and first.given == second.true


def test_damaged_images_differ_from_the_originals(small):
    good = small.images[(small.table["role"] == "scored").to_numpy()]

    def detail(images):
        return np.abs(np.diff(images.astype(float), axis=3)).mean(axis=(1, 2, 3))

    def ink(images):
        return (images.max(axis=1) > 60).mean(axis=(1, 2))

    assert np.median(detail(_images_of(small, "out of focus"))) < 0.6 * np.median(detail(good))
    assert ink(_images_of(small, "empty")).max() < np.quantile(ink(good), 0.25)
    bright = (_images_of(small, "debris").min(axis=1) > 150).sum(axis=(1, 2))
    assert np.median(bright) > 5


def test_other_image_faults_leave_all_other_pictures_alone(small):
    clean = synthetic_screen.generate_screen(5, replace(SMALL, blurred=0, empty=0, debris=0))
    spoilt = small.table["image_id"].isin(small.truth["image_id"].dropna()).to_numpy()
    same = (clean.images == small.images).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(same, ~spoilt)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mechanisms": 13}, "--mechanisms is 13"),
        ({"compounds": 9}, "--compounds is 9"),
        ({"weeks": 1, "compounds": 38}, "a plate has 60"),
        ({"mislabelled": 8}, "at most half"),
        ({"sites": 0}, "--sites is 0"),
        ({"size": 4}, "--size is 4"),
        ({"blurred": -1}, "--blurred is -1"),
    ],
)
def test_impossible_designs_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **changes)


# The drawing


def _fields(look: cells.Look, seed: int, number: int = 6, size: int = 48) -> np.ndarray:
    optics = Optics(size, np.random.default_rng(0))
    looks = np.repeat(look.vector()[None], 15, axis=0)
    return np.stack(
        [cells.draw_field(looks, optics, np.random.default_rng([seed, i])) for i in range(number)]
    )


def test_a_field_without_cells_is_black():
    optics = Optics(32, np.random.default_rng(0))
    none = cells.draw_field(np.empty((0, len(cells.LOOK_NAMES))), optics, np.random.default_rng(0))
    np.testing.assert_array_equal(none, np.zeros((3, 32, 32)))


@pytest.mark.parametrize(("name", "channel"), [("actin", 0), ("tubulin", 1)])
def test_a_channel_is_proportional_to_its_level(name, channel):
    one = _fields(UNTREATED, 0)
    two = _fields(UNTREATED.but(**{name: 2 * getattr(UNTREATED, name)}), 0)
    np.testing.assert_allclose(two[:, channel], 2 * one[:, channel], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(two[:, 2], one[:, 2])


def test_response_goes_from_untreated_to_target():
    target = MECHANISMS["Spikers (sim)"].vector()
    looks = cells.respond(UNTREATED, target, np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(looks[0], UNTREATED.vector())
    np.testing.assert_allclose(looks[1], (UNTREATED.vector() + target) / 2)
    np.testing.assert_allclose(looks[2], target)


def test_the_faint_mechanism_is_the_nearest_to_untreated_cells():
    looks = np.stack([look.vector() for look in MECHANISMS.values()]) - UNTREATED.vector()
    typical = np.sqrt((looks**2).mean(axis=0))
    away = (np.abs(looks[:, typical > 0]) / typical[typical > 0]).mean(axis=1)
    assert DEMO_CLASSES[int(away.argmin())] == FAINT_MECHANISM


# The way to training


def test_prepared_like_anybodys_plates(small, drawn_once, tmp_path):
    source = synthetic_screen.prepare_screen(tmp_path, 5, SMALL)
    n = len(small.table)
    assert source.images.shape == (n, 3, 24, 24) and source.normalise == "plate"
    assert source.pixel_size_um == synthetic_screen.FIELD_UM / 32
    # One field of every scored well is there once more, damaged, in the same compound.
    copies = source.table[n:]
    assert set(copies["role"]) == {"shifted"} and set(copies["corruption"]) == set(DAMAGES)
    assert len(copies) == (small.table["role"] == "scored").sum()
    pd.testing.assert_frame_equal(source.truth, small.truth)
    assert source.classes == small.classes and source.channels == list(small.channels)
    assert {"content_hash", "quality_focus", "quality_nuclei"} <= set(source.table.columns)
    assert any("Synthetic" in note for note in source.notes)
    written = (source.folder / "images.npy").stat().st_mtime_ns
    again = synthetic_screen.prepare_screen(tmp_path, 5, SMALL)
    assert (again.folder / "images.npy").stat().st_mtime_ns == written
    assert open_source(source.folder).truth["kind"].tolist() == small.truth["kind"].tolist()


def test_pictures_keep_their_channels_apart(small, drawn_once, tmp_path):
    source = synthetic_screen.prepare_screen(tmp_path, 5, SMALL)
    for number, channel in enumerate(small.channels):
        paths = source.table[f"path_{channel}"].dropna()
        read = np.stack([read_image(source.image_root / path)[1] for path in paths])
        away = np.abs(read.astype(int) - small.images[:, number])
        # Loss of the WebP files, far below the contrast of the cells.
        assert away.mean() < 5 and np.quantile(away, 0.999) < 40


def test_the_command_makes_a_study_that_can_be_moved(small, drawn_once, tmp_path, monkeypatch):
    monkeypatch.setattr(
        screens,
        "prepare_screen",
        lambda folder, seed: synthetic_screen.prepare_screen(folder, 5, SMALL),
    )
    out = tmp_path / "made" / "demo"
    argv = ["study", "demo", "--out", str(out), "--preset", "quick", "--epochs", "1", "--folds",
            "2", "--methods", "vi,standard,laplace", "--num-samples", "11",
            "--head-width", "16", "--pathways", "2"]  # fmt: skip
    assert cli.main(argv) == 0
    assert str(tmp_path) not in (out / "study.json").read_text()
    assert not list(out.rglob("*.safetensors"))
    shutil.rmtree(out.with_name("demo.prepared"))
    study = open_study(shutil.move(out, tmp_path / "elsewhere"))
    assert check_study(study.path) == []
    assert study.meta["synthetic"] and study.meta["weights_kept"] is False
    pd.testing.assert_frame_equal(study.truth, small.truth, check_dtype=False)
    # Two reviewers decided, not always alike; nothing of it is in a log before it is asked for.
    log = ReviewLog(tmp_path)
    assert load_examples(study, log, "me") == len(log.opinions(study))
    (pair,) = agreements(log.opinions(study))
    assert 0 < pair.same < pair.images
    row = int(np.flatnonzero(study.images["role"] == "control")[0])
    assert read_original(study, row).shape == (3, 32, 32)
    assert study.samples("vi").shape == (len(study.images), 11, 5)
    assert study.samples("laplace") is None and study.samples("standard") is not None
    # One network predicts a new kind, like the known compounds; controls are predicted by both.
    fold = study.images["fold"]
    assert (fold[study.images["role"] == "new"] >= 0).all()
    assert (fold[study.images["role"] == "control"] == -1).all()


def test_the_demo_in_the_repository_is_sound_and_as_promised():
    study = open_study(Path(__file__).parents[2] / "cache" / "demo")
    assert check_study(study.path) == []
    size = sum(path.stat().st_size for path in study.path.rglob("*") if path.is_file())
    assert size <= 12e6 and study.meta["synthetic"]
    table = study.table("vi")
    assert 0.7 <= study.meta["metrics"]["vi"]["image"]["accuracy"] <= 0.9
    ranked = rank(table, study.classes, resamples=2).set_index("compound")
    inactive = study.truth.set_index("kind").at["inactive dose", "compound"]
    assert ranked.at[inactive, "rank"] <= 3
    assert ranked["mean_signed_confidence"].rank()[inactive] > 10
