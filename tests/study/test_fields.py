"""Images of a study at full resolution, with the plate's contrast."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
from loaded_plates import load_plate
from PIL import Image
from study_writing import write_study

from bnn_core.base.errors import InputError
from bnn_core.datasets.extra_rows import corrupted_copies
from bnn_core.images.contrast import SHOWN_PERCENTILES
from bnn_core.study.fields import field_files, fixed_limits, read_original, render_image
from bnn_core.study.folder import open_study


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def study_of(tmp_path, source):
    classes = source.classes
    p = np.full((len(source.table), len(classes)), 1 / len(classes), dtype=np.float32)
    summary = pd.DataFrame(p, columns=[f"p_{name}" for name in classes]).assign(
        predicted=classes[0], correct=True, confidence=0.0
    )
    source.keep_with_study(tmp_path)
    out = write_study(
        tmp_path / "study",
        title="t",
        kind="plate",
        classes=classes,
        images=source.table.assign(fold=0),
        summaries={"vi": summary},
        thumbnails=source.thumbnails(),
        extra=source.study_keys(),
    )
    (tmp_path / "contrast.parquet").rename(out / "contrast.parquet")
    return open_study(out)


@pytest.fixture
def study(tmp_path):
    """Two plates of 16-bit fields, a file per channel; P2 was exposed twice as long."""
    rows = []
    for number in range(8):
        plate = number // 4 + 1
        row = {
            "plate": f"P{plate}",
            "well": f"B0{number % 4 + 1}",
            "site": "1",
            "compound": f"c{number % 4}",
            "label": "ab"[number % 2],
        }
        for c, channel in enumerate(("DNA", "Actin")):
            pixels = np.random.default_rng(10 * (number % 4) + c).integers(100, 2000, (20, 30))
            row[f"path_{channel}"] = f"{number}_{channel}.tif"
            tifffile.imwrite(tmp_path / row[f"path_{channel}"], (pixels * plate).astype(np.uint16))
        rows.append(row)
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    return study_of(tmp_path, load_plate(tmp_path / "t.csv", tmp_path / "made", size=None))


def test_originals_are_read_from_a_file_per_channel(study, tmp_path):
    assert [path.name for path in field_files(study, 3)] == ["3_DNA.tif", "3_Actin.tif"]
    image = read_original(study, 3)
    assert image.shape == (2, 20, 30) and image.dtype == np.uint16
    np.testing.assert_array_equal(image[1], tifffile.imread(tmp_path / "3_Actin.tif"))


def test_contrast_is_the_plates_and_exposure_does_not_show(study):
    one = decoded(render_image(study, 0, image_format="png")).astype(int)
    two = decoded(render_image(study, 4, image_format="png")).astype(int)
    assert abs(one - two).max() <= 1
    pixels = np.stack([read_original(study, row)[0] for row in range(4)])
    np.testing.assert_allclose(
        fixed_limits(study, 2, read_original(study, 2))[0], np.percentile(pixels, [0.03, 99.97])
    )


def test_eight_bit_pictures_are_scaled_for_display_alike_and_trained_on_as_they_are(tmp_path):
    rng, pixels, rows = np.random.default_rng(0), [], []
    for number in range(6):
        image = rng.integers(20, 120, (24, 24, 3), dtype=np.uint8)
        image[:6, :6] = 10 + 10 * number  # images differ in one region
        pixels.append(image)
        Image.fromarray(image).save(tmp_path / f"{number}.png")
        rows.append({"path": f"{number}.png", "plate": "P1", "compound": f"c{number % 3}",
                     "label": "ab"[number % 2]})  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    source = load_plate(tmp_path / "t.csv", tmp_path / "made", size=None)
    np.testing.assert_array_equal(source.images, np.stack(pixels).transpose(0, 3, 1, 2))
    source = replace(source, table=corrupted_copies(source.table, ["wrong-channel"]))
    study = study_of(tmp_path, source)
    image = read_original(study, 3)
    low, high = np.percentile(np.stack(pixels)[..., 0], SHOWN_PERCENTILES)
    np.testing.assert_allclose(fixed_limits(study, 3, image)[0], [low, high])
    scaled = np.clip((pixels[3].astype(float) - low) / (high - low), 0, 1)[..., 0]
    drawn = decoded(render_image(study, 3, image_format="png"))
    np.testing.assert_allclose(drawn[..., 0], 255 * scaled, atol=1)
    true_scale = decoded(render_image(study, 3, contrast="full", image_format="png"))
    np.testing.assert_array_equal(true_scale, pixels[3])
    # A tile, and that of its damaged copy (channels in another order), have the same limits.
    tile, copy = decoded(study.thumbnail(3)), decoded(study.thumbnail(6 + 3))
    assert abs(tile[..., 0].mean() - 255 * scaled.mean()) < 4
    assert abs(copy[..., 1].mean() - tile[..., 0].mean()) < 4


def test_gain_multiplies_what_is_above_black_and_stops_at_white(study):
    plain, double = (
        decoded(render_image(study, 0, channels=["DNA"], gain=gain, image_format="png")).astype(int)
        for gain in (1, 2)
    )
    assert (plain > 127).any() and ((plain > 0) & (plain < 127)).any()
    np.testing.assert_allclose(double, np.minimum(2 * plain, 255), atol=1)


def test_channels_contrast_crop_and_palette(study):
    grey = decoded(render_image(study, 0, channels=["Actin"], image_format="png"))
    assert (grey[..., 0] == grey[..., 2]).all()
    own = decoded(
        render_image(
            study,
            0,
            contrast="image",
            palette="colour-blind",
            crop=(0, 0, 0.5, 1),
            image_format="png",
        )
    )
    assert own.shape == (20, 15, 3)
    for wrong in (
        {"channels": ["ER"]},
        {"channels": []},
        {"contrast": "best"},
        {"gain": 0.5},
        {"gain": 100},
        {"gain": float("nan")},
    ):
        with pytest.raises(InputError):
            render_image(study, 0, **wrong)


def test_files_that_are_gone_are_named_with_a_remedy(study, tmp_path):
    (tmp_path / "5_DNA.tif").unlink()
    with pytest.raises(InputError, match=r"5_DNA\.tif does not exist.*image_root"):
        render_image(study, 5)
    (tmp_path / "6_DNA.tif").write_bytes(b"II*\0broken")
    with pytest.raises(InputError, match=r"6_DNA\.tif is damaged"):
        render_image(study, 6)


def test_without_a_contrast_table_eight_bit_is_shown_as_it_is(study, tmp_path):
    (study.path / "contrast.parquet").unlink()
    fresh = open_study(study.path)
    np.testing.assert_array_equal(
        fixed_limits(fresh, 0, np.zeros((2, 4, 4), np.uint8)), [[0, 255]] * 2
    )
    assert fixed_limits(fresh, 0, read_original(fresh, 0)).shape == (2, 2)
