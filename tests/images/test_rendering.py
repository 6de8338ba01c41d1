"""Pictures of fields: colours, composites, crops, thumbnails."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.images import rendering
from bnn_core.images.rendering import (
    channel_colours,
    composite,
    dna_channel,
    open_thumbnail,
    render,
    stain_of,
    thumbnail,
)

BBBC021 = ["DAPI", "Tubulin", "Actin"]


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def field():
    """16 bit, DNA in the left half, tubulin in the right, actin in the bottom half."""
    image = np.zeros((3, 40, 60), np.uint16)
    image[0, :, :30] = 4000
    image[1, :, 30:] = 4000
    image[2, 20:] = 4000
    return image


def test_the_sets_colours():
    assert channel_colours(BBBC021) == ["#0000ff", "#00ff00", "#ff0000"]
    assert channel_colours(["red", "green", "blue"]) == ["#ff0000", "#00ff00", "#0000ff"]
    assert channel_colours(["brightfield"]) == ["#ffffff"]
    assert channel_colours(["a", "b"], "colour-blind") == ["#ff00ff", "#00ff00"]
    assert channel_colours(BBBC021, "colour-blind") == ["#00ffff", "#ffff00", "#ff00ff"]
    with pytest.raises(InputError, match="rainbow"):
        channel_colours(BBBC021, "rainbow")


@given(
    st.lists(
        st.sampled_from([*BBBC021, "ER", "Mito", "Golgi", "AGP", "DNA"]), min_size=1, max_size=8
    ),
    st.sampled_from(["set", "colour-blind"]),
)
def test_every_channel_gets_a_colour_and_no_colour_serves_two(channels, palette):
    colours = channel_colours(channels, palette)
    assert len(colours) == len(channels)
    coloured = [colour for colour in colours if colour != "#ffffff"]
    assert len(set(coloured)) == len(coloured)


def test_stains_by_name():
    assert [stain_of(name) for name in ("Hoechst 33342", "alpha-Tubulin", "Phalloidin", "ER")] == [
        "dna",
        "tubulin",
        "actin",
        None,
    ]
    assert dna_channel(["Actin", "DAPI"]) == 1
    assert dna_channel(["brightfield"]) is None


def test_composite_adds_and_clips():
    unit = np.array([[[1.0, 1.0, 0.0]], [[0.0, 1.0, 0.5]]])
    np.testing.assert_array_equal(
        composite(unit, ["#ff0000", "#ffff00"])[0], [[255, 0, 0], [255, 255, 0], [128, 128, 0]]
    )


def test_full_resolution_png_is_exact():
    limits = np.array([[0, 4000]] * 3)
    shown = pixels(render(field(), channel_colours(BBBC021), limits=limits, image_format="png"))
    assert shown.shape == (40, 60, 3)
    assert shown[0, 0].tolist() == [0, 0, 255]
    assert shown[0, -1].tolist() == [0, 255, 0]
    assert shown[-1, 0].tolist() == [255, 0, 255]


def test_channels_off_and_single_channel_grey():
    limits, colours = np.array([[0, 4000]] * 3), channel_colours(BBBC021)
    two = pixels(render(field(), colours, limits=limits, shown=[0, 2], image_format="png"))
    assert two[0, -1].tolist() == [0, 0, 0]
    one = pixels(render(field(), colours, limits=limits, shown=[1], image_format="png"))
    assert one[0, -1].tolist() == [255, 255, 255]


def test_contrast_is_fixed_unless_asked_per_image():
    dim = (field() // 4).astype(np.uint16)
    colours = channel_colours(BBBC021)
    fixed = pixels(render(dim, colours, limits=np.array([[0, 4000]] * 3), image_format="png"))
    own = pixels(render(dim, colours, image_format="png"))
    assert fixed.max() == 64 and own.max() == 255


def test_crop_and_zoom():
    limits, colours = np.array([[0, 4000]] * 3), channel_colours(BBBC021)
    part = render(field(), colours, limits=limits, crop=(0.5, 0, 1, 0.5), image_format="png")
    assert pixels(part).shape == (20, 30, 3)
    assert (pixels(part) == [0, 255, 0]).all()
    zoomed = pixels(
        render(
            field(),
            colours,
            limits=limits,
            crop=(0.4, 0.4, 0.6, 0.6),
            long_side=240,
            image_format="png",
        )
    )
    assert zoomed.shape == (160, 240, 3)
    assert {tuple(p) for p in zoomed.reshape(-1, 3).tolist()} == {
        (0, 0, 255),
        (0, 255, 0),
        (255, 0, 255),
        (255, 255, 0),
    }
    assert pixels(render(field(), colours, long_side=30)).shape == (20, 30, 3)


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.floats(0, 1)] * 4))
def test_any_crop_gives_a_picture_or_a_clear_error(crop):
    valid = crop[0] < crop[2] and crop[1] < crop[3]
    try:
        assert pixels(render(field(), channel_colours(BBBC021), crop=crop)).size > 0
        assert valid
    except InputError as error:
        assert not valid and "crop" in str(error)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shown": [3]},
        {"shown": []},
        {"image_format": "gif"},
        {"long_side": 0},
        {"crop": (0.5, 0.0, 0.5, 1.0)},
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_what_cannot_be_drawn_is_listed(monkeypatch, large, wrong):
    if large:
        monkeypatch.setattr(rendering, "MOST_DRAWN_PIXELS", 100)
    with pytest.raises(InputError):
        render(field(), channel_colours(BBBC021), **wrong)


def test_thumbnail_is_small_webp():
    unit = np.random.default_rng(0).random((3, 512, 640), dtype=np.float32)
    data = thumbnail(unit, channel_colours(BBBC021))
    opened = Image.open(io.BytesIO(data))
    assert opened.format == "WEBP" and opened.size == (96, 77)
    assert Image.open(io.BytesIO(thumbnail(unit[:, :20, :30], ["#ff0000"] * 3))).size == (30, 20)


def test_a_thumbnail_is_a_small_picture_of_a_known_format():
    def saved(kind, side=20):
        out = io.BytesIO()
        Image.new("RGB", (side, 4)).save(out, kind)
        return out.getvalue()

    assert open_thumbnail(thumbnail(np.zeros((1, 9, 7)), ["#ffffff"])).size == (7, 9)
    whole = saved("WEBP")
    for data in (saved("EPS"), saved("GIF"), saved("TIFF"), saved("WEBP", 3000), whole[:40], b"x"):
        with pytest.raises(InputError, match="the thumbnail"):
            open_thumbnail(data)


@pytest.mark.parametrize("long_side", [None, 40])
def test_a_large_image_is_drawn_some_rows_at_a_time(monkeypatch, long_side):
    image = np.random.default_rng(0).integers(0, 255, (3, 611, 400), dtype=np.uint8)
    colours, limits = ["#ff0000", "#00ff00", "#0000ff"], np.array([[0, 255.0]] * 3)

    def drawn():
        data = render(image, colours, limits=limits, long_side=long_side, image_format="png")
        return pixels(data).astype(int)

    whole = drawn()
    monkeypatch.setattr(rendering, "_STRIP", 7)
    assert_array_equal(drawn(), whole)
    monkeypatch.setattr(rendering, "MOST_DRAWN_PIXELS", 1000)
    monkeypatch.setattr(rendering, "LONGEST_SIDE", 200)
    small = drawn()
    assert small.shape == ((152, 100, 3) if long_side is None else whole.shape)
    assert abs(small.mean(axis=(0, 1)) - whole.mean(axis=(0, 1))).max() < 1


def test_what_is_drawn_has_a_side_that_webp_can_have():
    one = render(np.zeros((1, 3, 20_000), np.uint8), ["#ffffff"], limits=np.array([[0, 1]]))
    assert Image.open(io.BytesIO(one)).size == (6666, 1)
