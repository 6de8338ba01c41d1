"""The synthetic screen: reproducible, lawful, and every planted fault is where the truth says."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnn_core.datasets import demo, demo_cells
from bnn_core.datasets.demo_design import DemoDesign, lay_out
from bnn_core.datasets.demo_faults import NO_EFFECT, TRUTH_COLUMNS, plant_in_wells
from bnn_core.datasets.demo_optics import Optics
from bnn_core.datasets.demo_phenotypes import CLASSES, FAINT, MECHANISMS, UNTREATED
from bnn_core.errors import InputError

SMALL = DemoDesign(
    mechanisms=5, compounds=16, weeks=2, sites=1, control_wells=2, size=32,
    mislabelled=1, replicate_swaps=1, blurred=4, empty=3, debris=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def small() -> demo.Demo:
    return demo.generate(5, SMALL)


def _laid_out(seed: int, design: DemoDesign):
    """A layout before and after planting, and the truth."""
    before = lay_out(design, np.random.default_rng(seed))
    after = lay_out(design, np.random.default_rng(seed))
    truth = plant_in_wells(design, after, np.random.default_rng(seed + 1))
    return before, after, truth


def _images_of(drawn: demo.Demo, kind: str) -> np.ndarray:
    ids = drawn.truth.loc[drawn.truth["kind"] == kind, "image_id"]
    return drawn.images[drawn.table["image_id"].isin(ids)]


# The whole screen


def test_same_seed_same_bytes_other_seed_other_screen(small):
    again = demo.generate(5, SMALL)
    np.testing.assert_array_equal(small.images, again.images)
    pd.testing.assert_frame_equal(small.table, again.table)
    pd.testing.assert_frame_equal(small.truth, again.truth)
    other = demo.generate(6, SMALL)
    assert set(other.table["compound"]) != set(small.table["compound"])


def test_table_and_images_belong_together(small):
    n = len(small.table)
    assert small.images.shape == (n, 3, 32, 32) and small.images.dtype == np.uint8
    assert small.channels == ("actin", "tubulin", "DNA")
    assert small.table["image_id"].is_unique
    assert list(small.table.index) == list(range(n))
    scored = small.table["role"] == "scored"
    assert sorted(small.table.loc[scored, "label"].unique()) == small.classes
    assert small.table.loc[~scored, "label"].isna().all()
    np.testing.assert_array_equal(
        small.table["role"] == "control", small.table["compound"] == "DMSO"
    )
    assert FAINT in small.classes


def test_shipped_size_and_names():
    layout = lay_out(DemoDesign(), np.random.default_rng(0))
    images = len(layout.wells) * DemoDesign().sites
    assert 1200 <= images <= 1600
    assert len(layout.compounds) == 38 and layout.classes == CLASSES
    assert all("(sim)" in name for name in CLASSES)
    assert layout.compounds["moa"].value_counts().min() >= 3


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_laws_of_every_layout(seed):
    before, after, truth = _laid_out(seed, SMALL)
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


def test_spoilt_images_look_spoilt(small):
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
    clean = demo.generate(5, replace(SMALL, blurred=0, empty=0, debris=0))
    spoilt = small.table["image_id"].isin(small.truth["image_id"].dropna()).to_numpy()
    same = (clean.images == small.images).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(same, ~spoilt)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mechanisms": 13}, "--mechanisms is 13"),
        ({"compounds": 9}, "--compounds is 9"),
        ({"weeks": 1, "compounds": 38}, "a plate has 60"),
        ({"mislabelled": 8}, "expected at most half"),
        ({"sites": 0}, "--sites is 0"),
        ({"size": 4}, "--size is 4"),
        ({"blurred": -1}, "--blurred is -1"),
    ],
)
def test_impossible_designs_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(SMALL, **changes)


# The drawing


def _fields(look: demo_cells.Look, seed: int, number: int = 6, size: int = 48) -> np.ndarray:
    optics = Optics(size, np.random.default_rng(0))
    looks = np.repeat(look.vector()[None], 15, axis=0)
    return np.stack(
        [
            demo_cells.draw_field(looks, optics, np.random.default_rng([seed, i]))
            for i in range(number)
        ]
    )


def test_a_field_without_cells_is_black():
    optics = Optics(32, np.random.default_rng(0))
    none = demo_cells.draw_field(
        np.empty((0, len(demo_cells.LOOK_NAMES))), optics, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(none, np.zeros((3, 32, 32)))


@pytest.mark.parametrize(("name", "channel"), [("actin", 0), ("tubulin", 1)])
def test_a_channel_is_proportional_to_its_level(name, channel):
    one = _fields(UNTREATED, 0)
    two = _fields(UNTREATED.but(**{name: 2 * getattr(UNTREATED, name)}), 0)
    np.testing.assert_allclose(two[:, channel], 2 * one[:, channel], rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(two[:, 2], one[:, 2])


def test_response_goes_from_untreated_to_target():
    target = MECHANISMS["Spikers (sim)"].vector()
    looks = demo_cells.respond(UNTREATED, target, np.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(looks[0], UNTREATED.vector())
    np.testing.assert_allclose(looks[1], (UNTREATED.vector() + target) / 2)
    np.testing.assert_allclose(looks[2], target)


def test_the_faint_mechanism_is_the_nearest_to_untreated_cells():
    looks = np.stack([look.vector() for look in MECHANISMS.values()]) - UNTREATED.vector()
    typical = np.sqrt((looks**2).mean(axis=0))
    away = (np.abs(looks[:, typical > 0]) / typical[typical > 0]).mean(axis=1)
    assert CLASSES[int(away.argmin())] == FAINT


# The way to training


def test_prepared_like_anybodys_plates(small, tmp_path):
    source, truth = demo.prepare(tmp_path, 5, SMALL)
    np.testing.assert_array_equal(source.images, small.images)
    pd.testing.assert_frame_equal(truth, small.truth)
    assert source.classes == small.classes and source.channels == list(small.channels)
    assert source.table["path"].isna().all()
    assert str(tmp_path) not in (source.folder / "source.json").read_text()
    assert {"content_hash", "quality_focus", "quality_nuclei"} <= set(source.table.columns)
    assert any("Synthetic" in note for note in source.notes)
    written = (source.folder / "images.npy").stat().st_mtime_ns
    again, _ = demo.prepare(tmp_path, 5, SMALL)
    assert (again.folder / "images.npy").stat().st_mtime_ns == written
