"""Unseen mechanisms and spoilt images: copies, predicted by the right fold and never counted."""

import io

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.datasets.extra_rows import corrupted_copies
from bnn_core.images.faults import CORRUPTIONS, corrupt, read_corruptions
from bnn_core.study.checking import check_study
from bnn_core.study.folder import open_study

SMALL = [
    "--preset",
    "quick",
    "--epochs",
    "1",
    "--head-width",
    "8",
    "--pathways",
    "1",
    "--crop",
    "8",
    "--num-samples",
    "4",
    "--size",
    "16",
]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three mechanisms of two compounds, two fields each; every mechanism has its own channel."""
    folder = tmp_path_factory.mktemp("labels-out")
    rng = np.random.default_rng(0)
    rows = []
    for moa, compound in [(m, f"{m}{i}") for m in "XYZ" for i in range(2)]:
        for site in range(2):
            picture = rng.integers(0, 60, (16, 16, 3), dtype=np.uint8)
            picture[..., "XYZ".index(moa)] += 150
            Image.fromarray(picture).save(folder / f"{compound}{site}.png")
            rows.append((f"{compound}{site}.png", compound, moa, "P1", "B02", len(rows)))
    columns = ["path", "compound", "moa", "plate", "well", "site"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "fields.csv", index=False)
    assert (
        cli.main(
            [
                "study",
                "plate",
                str(folder / "fields.csv"),
                "--label",
                "moa",
                "--leave-out",
                "label",
                "--corrupt",
                "blur,wrong-channel",
                "--out",
                str(folder / "out"),
                *SMALL,
            ]
        )
        == 0
    )
    return open_study(folder / "out")


def test_every_image_is_predicted_as_known_unseen_and_damaged(study):
    images, table = study.images, study.table("vi")
    assert check_study(study.path) == []
    assert dict(images["role"].value_counts()) == {"scored": 12, "new": 12, "shifted": 12}
    assert study.meta["metrics"]["vi"]["image"]["n"] == 12
    assert table["correct"].notna().equals(images["role"] == "scored")
    assert table["p_label"].notna().equals(images["role"] == "scored")
    for fold, part in enumerate(study.meta["folds"]):
        here = images[images["fold"] == fold]
        unseen = set(here["label"][here["role"] == "new"])
        assert unseen == set(part["unpredictable"]) and len(unseen) == 1
        # A spoilt copy is predicted by the fold of its image.
        assert set(here["compound"][here["role"] == "shifted"]) == set(
            here["compound"][here["role"] == "scored"]
        )
        assert not unseen & set(here["label"][here["role"] == "scored"])
    assert any("second copy" in note for note in study.meta["notes"])
    assert "stored" not in images


def test_thumbnails_show_what_the_network_saw(study):
    def picture(image_id):
        data = study.thumbnail(study.row_of(image_id))
        return np.asarray(Image.open(io.BytesIO(data))).astype(float)

    def spoilt(kind):
        red = study.images["label"] == "X"
        return study.images["image_id"][red & (study.images["corruption"] == kind)].iat[0]

    first = spoilt("blur").removesuffix("~blur")
    assert_allclose(picture(f"{first}~unseen"), picture(first))
    blurred = picture(f"{first}~blur")
    assert blurred.std(axis=(0, 1)).max() < picture(first).std(axis=(0, 1)).max()
    # Red in X's images: with the channels exchanged it stands in green.
    second = spoilt("wrong-channel").removesuffix("~wrong-channel")
    assert picture(second).mean(axis=(0, 1)).argmax() == 0
    assert picture(f"{second}~wrong-channel").mean(axis=(0, 1)).argmax() == 1
    assert study.image_file(study.row_of(f"{second}~wrong-channel")) is None


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_corruption_keeps_shape_and_type_and_follows_its_seed(kind):
    image = np.random.default_rng(1).integers(0, 120, (3, 40, 50), dtype=np.uint8)
    before = image.copy()
    one, two = corrupt(image, kind, 5), corrupt(image, kind, 5)
    assert one.shape == image.shape and one.dtype == np.uint8
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(image, before)
    assert (one != image).any()


def test_each_corruption_does_what_its_name_says():
    image = np.random.default_rng(1).integers(0, 120, (3, 64, 64), dtype=np.uint8)
    assert np.diff(corrupt(image, "blur", 0).astype(int)).std() < 5
    assert (corrupt(image, "saturate", 0) == 255).mean() > 0.4
    marked = corrupt(image, "debris", 0) != image
    assert 0.005 < marked.mean() < 0.5 and (marked[0] == marked[1]).mean() > 0.95
    np.testing.assert_array_equal(corrupt(image, "wrong-channel", 0), image[[2, 0, 1]])


def test_corruptions_take_turns_and_unknown_ones_are_refused():
    table = pd.DataFrame(
        {
            "image_id": list("abc"),
            "role": ["scored", "control", "scored"],
            "group": "g",
            "content_hash": list("xyz"),
            "quality_focus": 1.0,
        }
    )
    made = corrupted_copies(table, ["blur", "debris"])
    assert made["image_id"].tolist() == ["a", "b", "c", "a~blur", "c~debris"]
    assert made["stored"].tolist() == [0, 1, 2, 0, 2]
    assert made["quality_focus"].isna().tolist() == [False] * 3 + [True] * 2
    with pytest.raises(InputError, match="choose from blur, saturate, debris, wrong-channel"):
        read_corruptions("blur,rust", 3)
    with pytest.raises(InputError, match="at least two channels"):
        read_corruptions("wrong-channel", 1)
