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
from bnn_core.images.decoding import read_field, read_image


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


def test_alpha_is_dropped_and_palettes_are_looked_up(tmp_path):
    pixels = noise((6, 4, 4), np.uint8)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "rgba.png"), np.moveaxis(pixels[..., :3], 2, 0)
    )
    Image.fromarray(pixels[..., :3]).quantize(256).save(tmp_path / "palette.png")
    assert read_image(tmp_path / "palette.png").shape == (3, 6, 4)
    tifffile.imwrite(tmp_path / "rgba.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
    assert read_image(tmp_path / "rgba.tif").shape == (3, 6, 4)


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


def test_white_is_zero_is_turned_round(tmp_path):
    pixels = noise((8, 9), np.uint8)
    tifffile.imwrite(tmp_path / "white.tif", pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "white.tif"), 255 - pixels[None])


def test_one_file_of_an_ome_set_is_read_alone(tmp_path):
    """An OME set names all its files in each; a file must give its own plane, not black ones."""
    uuid = "urn:uuid:00000000-0000-0000-0000-00000000000{}"
    planes = noise((2, 10, 12))
    data = "".join(
        f'<TiffData FirstC="{c}" IFD="0" PlaneCount="1"><UUID FileName="c{c}.ome.tif">'
        f"{uuid.format(c)}</UUID></TiffData>"
        for c in range(2)
    )
    for c in range(2):
        xml = (
            '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuid.format(c)}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYCZT" Type="uint16" SizeX="12" SizeY="10" SizeC="2" SizeZ="1" '
            f'SizeT="1">{data}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / f"c{c}.ome.tif", planes[c], description=xml, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "c0.ome.tif"), planes[:1])
    both = read_field([tmp_path / "c0.ome.tif", tmp_path / "c1.ome.tif"])
    np.testing.assert_array_equal(both, planes)


def test_a_file_per_channel(tmp_path):
    planes = noise((2, 6, 5), np.uint8)
    Image.fromarray(planes[0]).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([planes[1]] * 3, axis=2)).save(tmp_path / "grey_as_rgb.png")
    blue = np.zeros((6, 5, 3), np.uint8)
    blue[..., 2] = planes[0]
    Image.fromarray(blue).save(tmp_path / "blue.png")
    paths = [tmp_path / name for name in ("grey.png", "grey_as_rgb.png", "blue.png")]
    np.testing.assert_array_equal(read_field(paths), planes[[0, 1, 0]])


def test_channels_that_disagree_are_named(tmp_path):
    Image.fromarray(noise((6, 5), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(noise((6, 6), np.uint8)).save(tmp_path / "b.png")
    Image.fromarray(noise((6, 5, 3), np.uint8)).save(tmp_path / "rgb.png")
    with pytest.raises(InputError, match=r"b\.png is 6 x 6 uint8, .*a\.png is 5 x 6 uint8"):
        read_field([tmp_path / "a.png", tmp_path / "b.png"])
    with pytest.raises(InputError, match=r"rgb\.png has 3 channels, one expected"):
        read_field([tmp_path / "a.png", tmp_path / "rgb.png"])


def test_missing_empty_and_foreign_files(tmp_path):
    (tmp_path / "empty.tif").write_bytes(b"")
    (tmp_path / "words.png").write_text("not an image")
    with pytest.raises(InputError, match="does not exist"):
        read_image(tmp_path / "none.png")
    with pytest.raises(InputError, match="empty"):
        read_image(tmp_path / "empty.tif")
    with pytest.raises(InputError, match="no PNG, JPEG or TIFF"):
        read_image(tmp_path / "words.png")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)


@pytest.mark.parametrize(
    ("axes", "shape", "words"),
    [("ZCYX", (4, 3, 8, 8), "planes in depth"), ("TYX", (4, 8, 8), "points in time")],
)
def test_stacks_are_refused_with_a_remedy(tmp_path, axes, shape, words):
    tifffile.imwrite(tmp_path / "s.tif", noise(shape), imagej=True, metadata={"axes": axes})
    with pytest.raises(InputError, match=f"4 {words}.*project or split"):
        read_image(tmp_path / "s.tif")


def test_numbers_of_another_type_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((8, 8), np.float32))
    with pytest.raises(InputError, match=r"float32 numbers; 8 or 16 bit"):
        read_image(tmp_path / "float.tif")


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
