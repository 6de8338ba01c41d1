"""Blocks of images that are added to a study: read, predicted and kept on disk one by one."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from tqdm import tqdm

from bnn_core.base.array_files import write_array, write_arrays
from bnn_core.base.reading import demand_array, read_array, read_arrays, read_parquet
from bnn_core.base.scores import NOVELTY
from bnn_core.measures.uncertainty import Moments
from bnn_core.networks.building import network_input, saved_config
from bnn_core.networks.novelty import read_training_images
from bnn_core.networks.prediction import Embedded, concatenated, embed, predict
from bnn_core.networks.procedures import networks_of
from bnn_core.recipes.fold import join_samples
from bnn_core.study.folder import Study, write_table
from bnn_core.study.working_folder import ADDING

#: What predicts an image, beside the number of a fold: all folds, or the network of all compounds.
ALL_FOLDS, DEPLOYED = -1, -2
#: Folder of a study with the networks that were trained on all compounds.
DEPLOY = "deploy"
START_AGAIN = "run the same command again with --restart"
#: Images whose pixels are in memory at a time.
_AT_A_TIME = 500


class Block(Protocol):
    """Images that are read together. `key` names what is kept of them in the working folder."""

    key: str

    def __len__(self) -> int:
        """How many images there are, those that cannot be read included."""

    def look(self, making: Path) -> None:
        """Read the images; leave their rows and thumbnails (`keep_rows`). Idempotent."""

    def pixels(self, making: Path, rows: np.ndarray) -> np.ndarray:
        """(n, channels, H, W) uint8 of some rows of a block that was looked at."""

    def done(self, making: Path) -> None:
        """Called when all networks have predicted the block."""


class NetworkSet(NamedTuple):
    """The networks of one fold, or those trained on all compounds. folder: of the methods."""

    number: int
    folder: Path
    seed: int

    @property
    def name(self) -> str:
        return DEPLOY if self.number == DEPLOYED else str(self.number)


def network_sets(study: Study, folds: Sequence[Path], making: Path) -> list[NetworkSet]:
    """The networks of every fold and, where the working folder has any, those of all compounds."""
    seed = (study.meta.get("seeds") or {}).get("samples", 0)
    sets = [NetworkSet(int(fold.name), fold, seed + int(fold.name)) for fold in folds]
    deployed = making / DEPLOY
    if deployed.is_dir():
        sets.append(NetworkSet(DEPLOYED, deployed, seed + len(folds)))
    return sets


def which_networks(study: Study, hashes: Sequence[str], deployed: bool) -> np.ndarray:
    """(n,) what predicts images with these content hashes: a fold's number, ALL_FOLDS or DEPLOYED.

    An image of the study itself is predicted as in the study: by the fold that did not train on it. An
    image that was added before is predicted like any new one.
    """
    images = study.images
    if "source" in images:
        images = images[images["source"].isna()]
    fold_of = images.drop_duplicates("content_hash").set_index("content_hash")["fold"]
    default = DEPLOYED if deployed else ALL_FOLDS
    return np.array([fold_of.get(h, default) if h else default for h in hashes], dtype=np.int64)


def keep_rows(
    making: Path, block: Block, rows: pd.DataFrame, thumbnails: Sequence[bytes | None]
) -> None:
    """Keep a block's rows of images.parquet (all but `fold`) and its thumbnails; rows come last."""
    packed = [data or b"" for data in thumbnails]
    write_arrays(
        block_file(making, "thumbnails", block),
        packed=np.frombuffer(b"".join(packed), np.uint8),
        lengths=np.array([len(data) for data in packed], np.int64),
    )
    write_table(_rows_file(making, block), rows)


def is_looked_at(making: Path, block: Block) -> bool:
    """Whether a block's rows are there."""
    return _rows_file(making, block).is_file()


def block_rows(making: Path, block: Block) -> pd.DataFrame:
    """The rows that a block's look left."""
    return read_parquet(_rows_file(making, block), START_AGAIN)


def block_thumbnails(making: Path, block: Block) -> list[bytes | None]:
    """The thumbnails that a block's look left."""
    path = block_file(making, "thumbnails", block)
    arrays = read_arrays(path, START_AGAIN, own=True)
    packed = demand_array(path, arrays, "packed", 1, "u", START_AGAIN).tobytes()
    ends = np.cumsum(demand_array(path, arrays, "lengths", 1, "iu", START_AGAIN))
    starts = np.concatenate([[0], ends[:-1]]).astype(int) if len(ends) else ends
    return [packed[a:b] or None for a, b in zip(starts, ends, strict=True)]


class PassProgress:
    """A progress bar of images; each is predicted in several passes."""

    def __init__(self, images: int, passes: int, shown: bool = True):
        self.bar = tqdm(total=images, desc="predict", unit="image", disable=not shown)
        self.passes, self.done = max(passes, 1), 0

    def update(self, images: int) -> None:
        """So many images have been predicted in one more pass."""
        self.done += images
        self.bar.update(self.done // self.passes - self.bar.n)

    def skip(self, images: int) -> None:
        """So many images need no prediction."""
        self.update(images * self.passes)


def predict_block(
    study: Study,
    making: Path,
    block: Block,
    sets: Sequence[NetworkSet],
    kept: Sequence[str],
    device: str,
    progress: PassProgress,
) -> None:
    """Let every method of the networks chosen predict a block; done parts are kept.

    kept: the methods whose samples are kept.
    """
    which = which_networks(
        study, block_rows(making, block)["content_hash"], sets[-1].number == DEPLOYED
    )
    folds = sum(s.number != DEPLOYED for s in sets)
    for networks in sets:
        rows = np.flatnonzero(_predicts(networks, which))
        # An image of one network set counts as much as one that all folds predict.
        weight = np.where(which[rows] == ALL_FOLDS, 1, folds).sum()
        for method in study.methods:
            path = _result_file(making, block, method, networks)
            if len(rows) and not path.is_file():
                _predict_part(study, making, block, method, networks, rows, method in kept, device)
            progress.update(int(weight))


def passes_of(study: Study, sets: Sequence[NetworkSet]) -> int:
    """Passes of `PassProgress` per image of a block."""
    return sum(s.number != DEPLOYED for s in sets) * len(study.methods)


def _predicts(networks: NetworkSet, which: np.ndarray) -> np.ndarray:
    if networks.number == DEPLOYED:
        return which == DEPLOYED
    return (which == networks.number) | (which == ALL_FOLDS)


def _predict_part(
    study: Study,
    making: Path,
    block: Block,
    method: str,
    networks: NetworkSet,
    rows: np.ndarray,
    keep_samples: bool,
    device: str,
) -> None:
    """One method's networks on some rows of a block: moments, embedding, novelty, samples."""
    folder = networks.folder / method
    count = study.meta["methods"][method].get("num_samples", 100)
    drawn = networks_of(folder, count, networks.seed, device)
    main = method == embedding_method(study) and study.embedding is not None
    wanted = [name for name in NOVELTY if name in study.summary(method)]
    known = read_training_images(folder) if wanted else None
    mean = networks_of(folder, None, networks.seed, device) if main or known else None
    ready = partial(network_input, intensity=saved_config(folder).intensity)
    parts: list[Moments] = []
    embedded: list[Embedded] = []
    samples = (
        np.empty((len(rows), drawn.num_samples, len(study.classes)), np.float16)
        if keep_samples
        else None
    )
    for start in range(0, len(rows), _AT_A_TIME):
        some = slice(start, start + _AT_A_TIME)
        images = block.pixels(making, rows[some])
        parts.append(
            predict(drawn, images, ready, samples=None if samples is None else samples[some])
        )
        if mean is not None:
            embedded += embed(mean, images, ready)
    moments = Moments.concatenate(parts)
    more: dict[str, np.ndarray] = {}
    if mean is not None:
        layers = concatenated(embedded)
        more |= {"embedding": layers.features.astype(np.float16)} if main else {}
        parts_of = known.measure(layers) if known is not None else {}
        more |= {name: part for name, part in parts_of.items() if name in wanted}
    if samples is not None:
        path = _samples_file(making, block, method, networks)
        write_array(path, samples)
    write_arrays(
        _result_file(making, block, method, networks),
        rows=rows,
        mean_p=moments.mean_p,
        mean_p2=moments.mean_p2,
        mean_entropy=moments.mean_entropy,
        **more,
    )


def block_mean(
    making: Path, block: Block, method: str, sets: Sequence[NetworkSet], key: str
) -> np.ndarray | None:
    """(n, ...) one array of a block's results, the mean over the networks that predicted each row;
    None where some lack it."""
    n = len(block_rows(making, block))
    total, times = None, np.zeros(n)
    for networks in sets:
        path = _result_file(making, block, method, networks)
        if not path.is_file():
            continue
        arrays = read_arrays(path, START_AGAIN, own=True)
        if key not in arrays:
            return None
        rows = demand_array(path, arrays, "rows", 1, "iu", START_AGAIN)
        values = demand_array(path, arrays, key, arrays[key].ndim, "f", START_AGAIN)
        if total is None:
            total = np.zeros((n, *values.shape[1:]))
        total[rows] += values
        times[rows] += 1
    if total is None:
        return None
    return total / np.maximum(times, 1).reshape(-1, *[1] * (total.ndim - 1))


def block_moments(making: Path, block: Block, method: str, sets: Sequence[NetworkSet]) -> Moments:
    """The moments of a block, averaged over the networks that predicted each row."""
    return Moments(
        *(
            block_mean(making, block, method, sets, key)
            for key in ("mean_p", "mean_p2", "mean_entropy")
        )
    )


def block_samples(
    making: Path, block: Block, method: str, sets: Sequence[NetworkSet], shape: tuple[int, int]
) -> tuple[np.ndarray, Moments]:
    """(n, T, C) float16 and their moments; a row that K folds predicted gets both as the study's
    own rows do (`fold.join_samples`)."""
    out, parts = np.zeros((len(block_rows(making, block)), *shape), np.float16), []
    for networks in sets:
        path = _result_file(making, block, method, networks)
        if path.is_file():
            rows = read_arrays(path, START_AGAIN, ["rows"], own=True)["rows"]
            samples = read_array(_samples_file(making, block, method, networks), "f", START_AGAIN)
            parts.append((rows, samples))
    moments = block_moments(making, block, method, sets)
    return out, join_samples(parts, out, moments) if parts else moments


def embedding_method(study: Study) -> str:
    """The method whose embedding the study keeps; older studies do not name it."""
    return study.meta.get("embedding_of", study.reading_method)


def block_file(making: Path, kind: str, block: Block, ending: str = "npz") -> Path:
    """Where something of a block is kept in the working folder."""
    return making / ADDING / f"{kind}-{block.key}.{ending}"


def _rows_file(making: Path, block: Block) -> Path:
    return block_file(making, "rows", block, "parquet")


def _result_file(making: Path, block: Block, method: str, networks: NetworkSet) -> Path:
    return block_file(making, f"{method}-{networks.name}", block)


def _samples_file(making: Path, block: Block, method: str, networks: NetworkSet) -> Path:
    return block_file(making, f"samples-{method}-{networks.name}", block, "npy")
