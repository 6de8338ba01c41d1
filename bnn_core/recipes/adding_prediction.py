"""The networks of a study predict blocks of images: one after another, or beside one another."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, as_completed
from functools import partial
from pathlib import Path

from tqdm import tqdm

from bnn_core.base.errors import InputError
from bnn_core.recipes.adding_blocks import (
    Block,
    NetworkSet,
    PassProgress,
    block_rows,
    passes_of,
    predict_block,
)
from bnn_core.recipes.workers import Cluster, workers
from bnn_core.study.folder import Study, open_study


def look_at_blocks(making: Path, blocks: Sequence[Block], cluster: Cluster | None) -> None:
    """Read all images before any is predicted. Where one does not fit, InputError, and the working
    folder goes: there is nothing to continue with."""
    try:
        if cluster is None:
            for block in blocks:
                block.look(making)
            return
        with workers(1, cluster, making, blocks) as submit:
            _over_blocks(blocks, "check", partial(submit, _look_one))
    except InputError:  # by now no part writes any more
        shutil.rmtree(making)
        raise


def predict_blocks(
    study: Study,
    making: Path,
    blocks: Sequence[Block],
    sets: Sequence[NetworkSet],
    kept: Sequence[str],
    device: str,
) -> None:
    """Predict every block; what is in the working folder is kept. kept: methods with samples."""
    progress = PassProgress(sum(map(len, blocks)), passes_of(study, sets))
    with progress.bar:
        for block in blocks:
            block.look(making)
            progress.skip(len(block) - len(block_rows(making, block)))
            predict_block(study, making, block, sets, kept, device, progress)
            block.done(making)


def predict_beside(
    study: Study,
    making: Path,
    blocks: Sequence[Block],
    sets: Sequence[NetworkSet],
    kept: Sequence[str],
    cluster: Cluster,
) -> None:
    """`predict_blocks` on a cluster, each block as one part; the result is the same."""
    shared = (study.path, making, blocks, sets, kept, cluster.device)
    with workers(1, cluster, *shared) as submit:
        _over_blocks(blocks, "predict", partial(submit, _predict_one))


def _over_blocks(
    blocks: Sequence[Block], what: str, start: Callable[[int], Future[InputError | None]]
) -> None:
    running = {start(number): len(block) for number, block in enumerate(blocks)}
    with tqdm(total=sum(running.values()), desc=what, unit="image") as bar:
        for future in as_completed(running):
            if problem := future.result():
                raise problem
            bar.update(running[future])


def _look_one(making: Path, blocks: Sequence[Block], number: int) -> None:
    blocks[number].look(making)


def _predict_one(
    path: Path,
    making: Path,
    blocks: Sequence[Block],
    sets: Sequence[NetworkSet],
    kept: Sequence[str],
    device: str,
    number: int,
) -> None:
    block, silent = blocks[number], PassProgress(0, 1, shown=False)
    block.look(making)
    predict_block(open_study(path), making, block, sets, kept, device, silent)
    block.done(making)
