"""Images of an OME-Zarr (NGFF 0.4 and 0.5), read by the library zarr (`pip install ".[zarr]"`)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np

from bnn_core.base.errors import InputError
from bnn_core.base.limits import MOST_PIXELS
from bnn_core.base.roots import readable
from bnn_core.base.schema import problem_of

_AXES = "tczyx"


class OmeChannel(TypedDict):
    """A channel: its name, where it has one."""

    label: NotRequired[str | None]


class OmeChannels(TypedDict):
    """How an image is shown, and of what channels it is."""

    channels: NotRequired[list[OmeChannel] | None]


class OmePlate(TypedDict):
    """A plate. What is in the lists is checked where it is used."""

    name: NotRequired[str | None]
    acquisitions: NotRequired[list[Any] | None]


class OmeMetadata(TypedDict):
    """What is read of the metadata of a plate, well or image."""

    plate: NotRequired[OmePlate]
    well: NotRequired[dict[str, Any] | None]
    omero: NotRequired[OmeChannels | None]


def open_group(path: Path) -> tuple[Any, dict[str, Any]]:
    """A group of Zarr and its OME metadata (that of NGFF 0.5 is below "ome", 0.4 has none around).

    Raises InputError where zarr is not installed, or there is no group that may be read.
    """
    path = readable(path)
    zarr = _library(path)
    try:
        group = zarr.open_group(_store(path), mode="r")
        attributes = dict(group.attrs)
    except InputError:
        raise
    except Exception as error:  # zarr and its codecs raise many kinds
        raise InputError(f"{path} is no OME-Zarr, or damaged ({_first_line(error)})") from error
    about = attributes.get("ome", attributes)
    if problem := problem_of(about, OmeMetadata):
        raise InputError(f"{path} has metadata of no OME-Zarr ({problem})")
    return group, about


def read_ome_zarr(path: Path, plane: str = "", time: str = "") -> np.ndarray:
    """An image at full resolution, (C, H, W) as stored.

    plane: "max" for the brightest value over the planes, a number from 1, or "" where there is one;
    time likewise, without "max". Raises InputError for a stack without a choice.
    """
    array, axes = _array(path)
    sizes = dict(zip(axes, array.shape, strict=True))
    if sizes["y"] * sizes["x"] * sizes.get("c", 1) > MOST_PIXELS:
        raise InputError(f"{path} has {sizes['x']} x {sizes['y']} pixels: cut it into fields")
    if not array.nchunks_initialized:
        raise InputError(f"{path} has no pixels: all its chunks are missing; copy it again")
    chosen = {"z": _chosen(path, "plane", plane, sizes.get("z", 1))}
    chosen["t"] = _chosen(path, "time", time, sizes.get("t", 1))
    brightest = None
    for z in chosen["z"]:
        index = [{"t": chosen["t"][0], "z": z}.get(axis, slice(None)) for axis in axes]
        try:
            part = np.asarray(array[tuple(index)])
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{path} is damaged ({_first_line(error)}): copy it again") from error
        if array.nchunks_initialized < array.nchunks:
            _demand_whole(path, part, array.fill_value)
        brightest = part if brightest is None else np.maximum(brightest, part)
    left = [axis for axis in axes if axis in "cyx"]
    if "c" not in left:
        return brightest.transpose([left.index(a) for a in "yx"])[None]
    return brightest.transpose([left.index(a) for a in "cyx"])


def stack_sizes(path: Path) -> dict[str, int]:
    """Sizes of an image by axis: c, z, t (1 where it has none), y, x."""
    array, axes = _array(path)
    sizes = dict(zip(axes, array.shape, strict=True))
    return {axis: int(sizes.get(axis, 1)) for axis in _AXES}


def channel_labels(about: Mapping[str, Any]) -> list[str]:
    """Names of the channels from the metadata of an image; empty where it names none."""
    channels = (about.get("omero") or {}).get("channels") or []
    names = [c.get("label") or f"channel {i + 1}" for i, c in enumerate(channels)]
    # Two channels of one name stay apart.
    return [n if names.count(n) == 1 else f"{n} {i + 1}" for i, n in enumerate(names)]


def _array(path: Path) -> tuple[Any, str]:
    """The largest array of an image, and its axes such as "tczyx"."""
    group, about = open_group(path)
    name, axes = _full_resolution(path, about)
    try:
        array = group[name]
        dimensions = len(array.shape)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} has no array '{name}' as its metadata say") from error
    if dimensions != len(axes):
        raise InputError(f"{path} has {dimensions} dimensions and the axes {axes}")
    return array, axes


def _full_resolution(path: Path, about: Mapping[str, Any]) -> tuple[str, str]:
    """The name of the largest array of an image, and its axes such as "tczyx"."""
    try:
        (first, *_) = about["multiscales"]
        name = str(first["datasets"][0]["path"])
        named = first.get("axes") or list(_AXES)
        axes = "".join(a if isinstance(a, str) else a["name"] for a in named)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no image of an OME-Zarr: it has no 'multiscales'") from error
    if not set("yx") <= set(axes) <= set(_AXES) or len(set(axes)) < len(axes):
        raise InputError(
            f"{path} has the axes {axes}; only images with the axes t, c, z, y and x can be read"
        )
    return name, axes


def _demand_whole(path: Path, part: np.ndarray, fill: float) -> None:
    """InputError where pixels are missing: writers leave out chunks that hold the fill value only.

    Such a chunk may be empty, or lost. It is lost where no other pixel is nearly as dark.
    """
    missing = part == fill
    if missing.all() or not missing.any():
        return
    lowest = part[~missing].min()
    if lowest > fill + 1:
        raise InputError(
            f"{path} lacks chunks: {missing.mean():.1%} of its pixels are {fill}, all others at "
            f"least {lowest}; copy it again"
        )


def _chosen(path: Path, what: str, choice: str, size: int) -> Sequence[int]:
    if choice == "max":
        return range(size)
    if choice:
        if not 1 <= int(choice) <= size:
            raise InputError(f"{path} has {size} {_NOUNS[what]}, no number {choice}")
        return [int(choice) - 1]
    if size > 1:
        flag = "--planes max or --planes N" if what == "plane" else "--time N"
        raise InputError(f"{path} has {size} {_NOUNS[what]}: choose with {flag}")
    return [0]


_NOUNS = {"plane": "planes in depth", "time": "points in time"}


def _library(path: Path) -> Any:
    try:
        import zarr
    except ImportError as error:
        raise InputError(
            f"{path} is an OME-Zarr, which the library zarr reads: pip install "
            '"bnn-cell-images[zarr]" (in the folder of the code: pip install ".[zarr]")'
        ) from error
    return zarr


def _store(path: Path) -> Any:
    """A store of one folder; each of its files is checked, for a link may lead anywhere."""
    from zarr.storage import LocalStore

    class ReadableStore(LocalStore):
        async def get(self, key, prototype=None, byte_range=None):
            readable(Path(self.root) / key)
            return await super().get(key, prototype, byte_range)

        def get_sync(self, key, *args, **kwargs):
            readable(Path(self.root) / key)
            return super().get_sync(key, *args, **kwargs)

    return ReadableStore(path, read_only=True)


def _first_line(error: Exception) -> str:
    return re.split(r"[\r\n]", str(error))[0] or type(error).__name__
