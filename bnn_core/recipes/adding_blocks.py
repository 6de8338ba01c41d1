"""Blocks of images that are added to a study: read, predicted and kept on disk one by one."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from bnn_core.base.files import atomic_path
from bnn_core.datasets.image_sets import ImageSet
from bnn_core.images.decoding import read_bytes
from bnn_core.images.rendering import channel_colours, default_channels, thumbnail
from bnn_core.measures.uncertainty import Moments
from bnn_core.networks.building import prepare, saved_config
from bnn_core.networks.distance import read_cloud
from bnn_core.networks.prediction import embed, predict
from bnn_core.recipes.fold import networks_of
from bnn_core.study.folder import Study, content_hashes
from bnn_core.study.working_folder import ADDING

BLOCK = 2000


@dataclass(frozen=True)
class Block:
    """Consecutive images of one set.

    rows: their rows in the set. first: row of the first image among all added rows. number: the
    block's number, in the names of its files.
    """

    images: ImageSet
    rows: slice
    first: int
    number: int

    def __len__(self) -> int:
        return self.rows.stop - self.rows.start


def blocks_of(sets: Sequence[ImageSet]) -> Iterator[Block]:
    """All images of all sets, at most BLOCK at a time."""
    first = number = 0
    for images in sets:
        for start in range(0, len(images), BLOCK):
            rows = slice(start, min(start + BLOCK, len(images)))
            yield Block(images, rows, first, number)
            first, number = first + rows.stop - rows.start, number + 1


def read_blocks(
    making: Path,
    blocks: Sequence[Block],
    shape: tuple[int, int, int],
    channels: Sequence[str] | None,
    of_files: bool,
) -> None:
    """Keep hashes and thumbnails of all added images, as the network sees them.

    of_files: hash the bytes of the files where there are files, as in studies of plates.
    Raises InputError for an image that does not fit a network for `shape` (channels, H, W).
    """
    colours = channel_colours(channels or default_channels(shape[0]))
    with tqdm(total=sum(map(len, blocks)), desc="read images", unit="image") as bar:
        for block in blocks:
            path = block_file(making, "images", block)
            if not path.is_file():
                images = block.images.fitted(block.rows, shape)
                pictures = [_thumbnail(image, colours) for image in images]
                files = block.images.files if of_files else None
                hashes = (
                    content_hashes(images)
                    if files is None
                    else [
                        hashlib.sha256(read_bytes(file)).hexdigest()[:16]
                        for file in files[block.rows]
                    ]
                )
                _save(
                    path,
                    hashes=np.array(hashes),
                    packed=np.frombuffer(b"".join(pictures), np.uint8),
                    lengths=np.array([len(data) for data in pictures]),
                )
            bar.update(len(block))


def _thumbnail(image: np.ndarray, colours: Sequence[str]) -> bytes:
    if len(image) == 1:
        from bnn_core.recipes.digits import lossless_thumbnail

        return lossless_thumbnail(image[0])
    return thumbnail(image.astype(np.float32) / 255, colours)


def predict_blocks(
    study: Study,
    making: Path,
    method: str,
    folds: Sequence[Path],
    blocks: Sequence[Block],
    shape: tuple[int, int, int],
    keep_samples: bool,
    device: str,
) -> None:
    """Keep moments of all blocks by one method of every fold, and samples and embedding in files."""
    samples = _samples_file(study, making, method, sum(map(len, blocks))) if keep_samples else None
    count = study.meta["methods"][method].get("num_samples", 100)
    seed = (study.meta.get("seeds") or {}).get("samples", 0)
    main = method == embedding_method(study) and study.embedding is not None
    measured = "distance" in study.summary(method)
    for number, fold in enumerate(folds):
        todo = [b for b in blocks if not block_file(making, f"{method}-{fold.name}", b).is_file()]
        with tqdm(
            total=sum(map(len, blocks)), desc=f"predict fold {fold.name} {method}", unit="image"
        ) as bar:
            bar.update(sum(map(len, blocks)) - sum(map(len, todo)))
            if not todo:
                continue
            networks = networks_of(fold / method, count, seed + int(fold.name), device)
            mean = networks_of(fold / method, None, seed, device) if main or measured else None
            cloud = read_cloud(fold / method) if measured else None
            ready = partial(prepare, intensity=saved_config(fold / method).intensity)
            for block in todo:
                images = block.images.fitted(block.rows, shape)
                drawn = (
                    np.empty((len(images), networks.num_samples, len(study.classes)), np.float16)
                    if samples is not None
                    else None
                )
                moments = predict(networks, images, ready, samples=drawn, progress=bar.update)
                if samples is not None:
                    # Each of K folds gives every Kth sample, as in `fold.assemble`.
                    rows = slice(
                        len(study.images) + block.first,
                        len(study.images) + block.first + len(block),
                    )
                    samples[rows, number :: len(folds)] = drawn[:, number :: len(folds)]
                    samples.flush()
                features = None
                if mean is not None:
                    features = np.concatenate(list(embed(mean, images, ready)))
                extra = {"embedding": features.astype(np.float16)} if main else {}
                if cloud is not None:
                    extra["distance"] = cloud.distance(features)
                _save(
                    block_file(making, f"{method}-{fold.name}", block),
                    mean_p=moments.mean_p,
                    mean_p2=moments.mean_p2,
                    mean_entropy=moments.mean_entropy,
                    **extra,
                )


def embedding_method(study: Study) -> str:
    """The method whose embedding the study keeps; older studies do not name it."""
    older = "vi" if "vi" in study.methods else study.methods[0]
    return study.meta.get("embedding_of", older)


def _samples_file(study: Study, making: Path, method: str, more: int) -> np.ndarray:
    before = study.samples(method)
    path = making / "samples" / f"{method}.npy"
    if not path.is_file():
        path.parent.mkdir(exist_ok=True)
        with atomic_path(path) as temporary:
            shape = (len(before) + more, *before.shape[1:])
            array = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
            for start in range(0, len(before), BLOCK):
                array[start : min(start + BLOCK, len(before))] = before[start : start + BLOCK]
            array.flush()
            del array
    return np.lib.format.open_memmap(path, "r+")


def average_moments(making: Path, method: str, folds: Sequence[int], block: Block) -> Moments:
    """Moments of a block, averaged over the folds."""
    parts = []
    for fold in folds:
        with np.load(block_file(making, f"{method}-{fold}", block)) as arrays:
            parts.append(Moments(arrays["mean_p"], arrays["mean_p2"], arrays["mean_entropy"]))
    return Moments.average(parts)


def average_distance(
    making: Path, method: str, folds: Sequence[int], block: Block
) -> np.ndarray | None:
    """A block's distances from the training images, averaged over the folds; None without them."""
    parts = []
    for fold in folds:
        with np.load(block_file(making, f"{method}-{fold}", block)) as arrays:
            if "distance" not in arrays:
                return None
            parts.append(arrays["distance"])
    return np.mean(parts, axis=0)


def block_file(making: Path, kind: str, block: Block) -> Path:
    """The file of a block's "images", or of its predictions by "<method>-<fold>"."""
    return making / ADDING / f"{kind}-{block.number:05d}.npz"


def _save(path: Path, **arrays: np.ndarray) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)
