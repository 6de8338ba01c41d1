"""Reading images of every accepted kind, and refusing damaged ones by name."""

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.images.decoding import decode_image, read_image
from bnn_core.images.field_files import read_field_files


def noise(shape, dtype=np.uint16, seed=0):
    top = 255 if dtype == np.uint8 else 65535
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


def test_grey_png_of_both_depths(tmp_path):
    for dtype in (np.uint8, np.uint16):
        pixels = noise((5, 7), dtype)
        Image.fromarray(pixels).save(tmp_path / "grey.png")
        read = read_image(tmp_path / "grey.png")
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, pixels[None])


def test_colour_png_keeps_sixteen_bits(tmp_path):
    pixels = noise((5, 7, 3))
    (tmp_path / "rgb.png").write_bytes(imagecodecs.png_encode(pixels))
    read = read_image(tmp_path / "rgb.png")
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, np.moveaxis(pixels, 2, 0))


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "write",
    [
        lambda pixels: saved(Image.fromarray(pixels), "PNG"),
        lambda pixels: imagecodecs.png_encode(pixels.astype(np.uint16) * 257),
        lambda pixels: saved(Image.fromarray(pixels), "TIFF"),
    ],
)
def test_alpha_is_left_out_only_where_it_is_constant(write):
    pixels = noise((6, 4, 4), np.uint8)
    whole = decode_image(write(pixels), "x")
    assert whole.pixels.shape == (4, 6, 4) and whole.remarks[0].startswith("WARNING: has 4 chan")
    pixels[..., 3] = 255
    opaque = decode_image(write(pixels), "x")
    assert opaque.pixels.shape == (3, 6, 4) and "constant alpha" in opaque.remarks[0]
    scale = 257 if opaque.pixels.dtype == np.uint16 else 1
    np.testing.assert_array_equal(opaque.pixels // scale, np.moveaxis(pixels[..., :3], 2, 0))


def test_a_palette_of_greys_is_one_channel():
    pixels = noise((6, 4, 3), np.uint8)
    colour = decode_image(saved(Image.fromarray(pixels).quantize(256), "PNG"), "x")
    assert colour.pixels.shape == (3, 6, 4)
    grey = Image.fromarray(pixels[..., 0]).quantize(256)
    for options in ({}, {"transparency": 0}):
        read = decode_image(saved(grey, "PNG", **options), "x").pixels
        np.testing.assert_array_equal(read[0], pixels[..., 0])
        assert len(read) == 1 + bool(options)  # one transparent grey: an alpha that varies


def test_colours_for_printing_are_refused():
    cmyk = Image.fromarray(noise((6, 4, 4), np.uint8), "CMYK")
    with pytest.raises(InputError, match=r"x\.jpg is in CMYK colours: save it as grey or RGB"):
        decode_image(saved(cmyk, "JPEG"), "x.jpg")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "MPO"])
def test_a_file_of_several_pictures_is_refused(kind):
    one, two = (Image.fromarray(noise((6, 4, 3), np.uint8, seed)) for seed in (0, 1))
    with pytest.raises(InputError, match="x holds 2 images: save each"):
        decode_image(saved(one, kind, save_all=True, append_images=[two]), "x")


def test_jpeg_is_channels_first(tmp_path):
    Image.new("RGB", (20, 10), (250, 0, 0)).save(tmp_path / "red.jpg", quality=95)
    read = read_image(tmp_path / "red.jpg")
    assert read.shape == (3, 10, 20)
    assert read[0].min() > 240 and read[1:].max() < 10


LAYOUTS = {
    "pages": {"photometric": "minisblack", "metadata": None},
    "shaped": {"photometric": "minisblack"},
    "imagej": {"imagej": True, "metadata": {"axes": "CYX"}},
    "ome": {"ome": True, "metadata": {"axes": "CYX"}},
    "planar": {"photometric": "rgb", "planarconfig": "separate"},
    "lzw": {"photometric": "minisblack", "compression": "lzw"},
    "tiled": {"photometric": "minisblack", "tile": (16, 16), "compression": "zlib"},
    "big": {"photometric": "minisblack", "bigtiff": True},
    "motorola": {"photometric": "minisblack", "byteorder": ">"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_multichannel_tiff_of_every_layout(tmp_path, layout):
    pixels = noise((3, 40, 50))
    tifffile.imwrite(tmp_path / "field.tif", pixels, **LAYOUTS[layout])
    read = read_image(tmp_path / "field.tif")
    assert read.dtype == np.dtype("=u2")
    np.testing.assert_array_equal(read, pixels)


def test_a_file_per_channel(tmp_path):
    planes = noise((2, 6, 5), np.uint8)
    Image.fromarray(planes[0]).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([planes[1]] * 3, axis=2)).save(tmp_path / "grey_as_rgb.png")
    blue = np.zeros((6, 5, 3), np.uint8)
    blue[..., 2] = planes[0]
    Image.fromarray(blue).save(tmp_path / "blue.png")
    paths = [tmp_path / name for name in ("grey.png", "grey_as_rgb.png", "blue.png")]
    np.testing.assert_array_equal(read_field_files(paths)[0].pixels, planes[[0, 1, 0]])


def test_channels_that_disagree_are_named(tmp_path):
    Image.fromarray(noise((6, 5), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(noise((6, 6), np.uint8)).save(tmp_path / "b.png")
    Image.fromarray(noise((6, 5, 3), np.uint8)).save(tmp_path / "rgb.png")
    with pytest.raises(InputError, match=r"b\.png is 6 x 6 uint8, .*a\.png is 5 x 6 uint8"):
        read_field_files([tmp_path / "a.png", tmp_path / "b.png"])
    with pytest.raises(InputError, match=r"rgb\.png has 3 channels and must have one"):
        read_field_files([tmp_path / "a.png", tmp_path / "rgb.png"])


def test_missing_empty_and_foreign_files(tmp_path):
    (tmp_path / "empty.tif").write_bytes(b"")
    (tmp_path / "words.png").write_text("not an image")
    with pytest.raises(InputError, match="does not exist"):
        read_image(tmp_path / "none.png")
    with pytest.raises(InputError, match="empty"):
        read_image(tmp_path / "empty.tif")
    with pytest.raises(InputError, match="PNG, JPEG or TIFF"):
        read_image(tmp_path / "words.png")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)
    (tmp_path / "lfs.tif").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    with pytest.raises(InputError, match="git lfs pull"):
        read_image(tmp_path / "lfs.tif")


def encoded(kind: str) -> bytes:
    pixels = noise((3, 60, 64))
    buffer = io.BytesIO()
    if kind in LAYOUTS:
        tifffile.imwrite(
            buffer, pixels, rowsperstrip=None if kind == "tiled" else 20, **LAYOUTS[kind]
        )
    elif kind == "png16":
        return imagecodecs.png_encode(np.ascontiguousarray(np.moveaxis(pixels, 0, 2)))
    else:
        rgb = np.moveaxis(pixels >> 8, 0, 2).astype(np.uint8)
        Image.fromarray(rgb).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "kind",
    ["pages", "imagej", "ome", "lzw", "tiled", "big", "motorola", "JPEG", "PNG", "png16"],
)
@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.0, 0.995))
def test_a_truncated_file_never_passes(tmp_path_factory, kind, share):
    """Wherever it is cut: refused by name, or (a description at the end lost) every pixel there."""
    data = encoded(kind)
    path = tmp_path_factory.mktemp("cut") / "cut.img"
    path.write_bytes(data)
    whole = read_image(path)
    path.write_bytes(data[: int(share * len(data))])
    try:
        np.testing.assert_array_equal(read_image(path), whole)
        assert kind in ("ome", "imagej", "PNG")
    except InputError as error:
        assert "cut.img" in str(error)
