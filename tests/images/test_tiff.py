"""Which pages and samples of a TIFF are the channels of one image."""

import io

import numpy as np
import pytest
import tifffile

from bnn_core.base.errors import InputError
from bnn_core.images.decoding import decode_image, read_image
from bnn_core.images.field_files import read_field_files


def noise(shape, dtype=np.uint16, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)


def tiff(*images, **options):
    """The bytes of a TIFF; each image is (pixels, options of its own)."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(
        buffer, **{k: options[k] for k in ("ome", "imagej") if k in options}
    ) as out:
        for pixels, more in images:
            out.write(pixels, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [2, 3, 4, 5])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_every_sample_of_a_grey_tiff_is_a_channel(channels, planar):
    pixels = noise((channels, 8, 9))
    stored = np.moveaxis(pixels, 0, -1) if planar == "contig" else pixels
    data = tiff((stored, {"photometric": "minisblack", "planarconfig": planar}))
    read = decode_image(data, "x.tif")
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.remarks == ()


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("kind", ["assocalpha", "unassalpha"])
def test_a_sample_is_alpha_where_the_file_says_so_and_it_is_constant(channels, kind):
    pixels = noise((8, 9, channels))
    colours = {"photometric": "minisblack" if channels == 2 else "rgb"}
    whole = decode_image(tiff((pixels, colours | {"extrasamples": [kind]})), "x.tif")
    np.testing.assert_array_equal(whole.pixels, np.moveaxis(pixels, 2, 0))
    assert whole.remarks[0].startswith(f"WARNING: has {channels} channels")
    pixels[..., -1] = 65535
    opaque = decode_image(tiff((pixels, colours | {"extrasamples": [kind]})), "x.tif")
    np.testing.assert_array_equal(opaque.pixels, np.moveaxis(pixels, 2, 0)[:-1])
    assert len(opaque.remarks) == 1
    data = decode_image(tiff((pixels, colours | {"extrasamples": ["unspecified"]})), "x.tif")
    assert len(data.pixels) == channels and not data.remarks


@pytest.mark.parametrize("axes", ["IYX", "QYX", "PYX", None])
def test_pages_without_axes_are_channels_with_a_warning(axes):
    more = {"photometric": "minisblack", "metadata": axes and {"axes": axes}}
    read = decode_image(tiff((noise((3, 8, 9)), more)), "x.tif")
    np.testing.assert_array_equal(read.pixels, noise((3, 8, 9)))
    assert "WARNING: has 3 pages without axes, read as 3 channels" in read.remarks[0]


def test_pages_written_one_by_one_are_channels_with_a_warning():
    pages = [
        (noise((8, 9), seed=s), {"photometric": "minisblack", "metadata": None}) for s in (0, 1)
    ]
    read = decode_image(tiff(*pages), "x.tif")
    assert len(read.pixels) == 2 and read.remarks[0].startswith("WARNING: has 2 pages")


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("ZCYX", "4 planes in depth"),
        ("TYX", "4 points in time"),
        ("RYX", "4 positions"),
        ("AYX", "4 planes along the axis A"),
        ("HYX", "4 planes along the axis H"),
    ],
)
def test_stacks_are_refused_with_a_remedy(axes, words):
    pixels = noise((4, 3, 8, 8) if "C" in axes else (4, 8, 8))
    data = tiff((pixels, {"photometric": "minisblack", "metadata": {"axes": axes}}))
    with pytest.raises(InputError, match=rf"s\.tif has {words}.*project or split"):
        decode_image(data, "s.tif")


def test_several_images_in_one_file_are_refused():
    fields = [(noise((3, 8, 9), seed=s), {"metadata": {"axes": "CYX"}}) for s in range(3)]
    with pytest.raises(InputError, match=r"x\.tif holds 3 images \(CYX 3 x 8 x 9"):
        decode_image(tiff(*fields, ome=True), "x.tif")
    plain = {"photometric": "minisblack", "metadata": None}
    small_first = [(noise((4, 4)), plain), (noise((8, 9)), plain)]
    with pytest.raises(InputError, match="holds 2 images"):
        decode_image(tiff(*small_first), "x.tif")


def test_a_page_marked_as_thumbnail_or_mask_gives_way_to_the_image():
    plain = {"photometric": "minisblack", "metadata": None}
    pages = [(noise((4, 4)), plain | {"subfiletype": 1}), (noise((8, 9)), plain)]
    read = decode_image(tiff(*pages), "x.tif")
    np.testing.assert_array_equal(read.pixels, noise((1, 8, 9)))
    assert "1 thumbnail or mask" in read.remarks[0]


def test_colours_that_are_no_intensities_are_refused():
    four, three = noise((8, 16, 4), np.uint8), noise((16, 16, 3), np.uint8)
    with pytest.raises(InputError, match="is in CMYK colours"):
        decode_image(tiff((four, {"photometric": "separated"})), "x.tif")
    with pytest.raises(InputError, match="is in CIELAB colours"):
        decode_image(tiff((three, {"photometric": "cielab"})), "x.tif")
    jpeg = {"photometric": "ycbcr", "compression": "jpeg"}
    assert decode_image(tiff((three, jpeg)), "x.tif").pixels.shape == (3, 16, 16)


def test_a_palette_is_read_where_all_of_it_is_grey():
    ramp = np.arange(256, dtype=np.uint16) * 257
    pixels = noise((8, 9), np.uint8)
    grey = {"photometric": "palette", "colormap": np.stack([ramp] * 3)}
    np.testing.assert_array_equal(decode_image(tiff((pixels, grey)), "x.tif").pixels[0], pixels)
    green = {"photometric": "palette", "colormap": np.stack([0 * ramp, ramp, 0 * ramp])}
    with pytest.raises(InputError, match="palette TIFF: save it as grey or RGB"):
        decode_image(tiff((pixels, green)), "x.tif")


def test_white_is_zero_is_turned_round():
    white = {"photometric": "miniswhite"}
    for pixels in (noise((8, 9), np.uint8), noise((8, 9))):
        read = decode_image(tiff((pixels, white)), "x.tif").pixels
        np.testing.assert_array_equal(read[0], np.iinfo(pixels.dtype).max - pixels)
    bits = noise((8, 9), np.uint8) > 100
    np.testing.assert_array_equal(
        decode_image(tiff((bits, white)), "x.tif").pixels[0], np.where(bits, 0, 255)
    )


def test_a_huge_image_is_refused_before_it_is_unpacked(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 8), np.uint8), compression="zlib")
    with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as tif:
        tif.pages[0].tags["ImageWidth"].overwrite(40_000)
        tif.pages[0].tags["ImageLength"].overwrite(40_000)
    with pytest.raises(InputError, match="40000 x 40000 pixels"):
        read_image(tmp_path / "x.tif")


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
    one = decode_image((tmp_path / "c0.ome.tif").read_bytes(), "c0.ome.tif")
    assert "1 of 2 channels" in one.remarks[0]
    both = read_field_files([tmp_path / "c0.ome.tif", tmp_path / "c1.ome.tif"])[0].pixels
    np.testing.assert_array_equal(both, planes)


def test_ome_metadata_of_another_image_are_warned_of():
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SizeX="120" '
        'SizeY="100" SizeC="2" SizeZ="1" SizeT="1"><TiffData/></Pixels></Image></OME>'
    )
    data = tiff((noise((10, 12)), {"description": xml, "metadata": None}))
    assert "OME metadata that do not fit" in decode_image(data, "x.tif").remarks[0]
