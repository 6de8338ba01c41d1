"""What does `--num-samples auto` save, and what does it change?

OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/adaptive.py STUDY IMAGES

IMAGES: of a study of plates the file `STUDY.prepared/images.npy`, of MNIST its folder. Every image
is predicted by 100 networks of its fold, and by as many as it needs, drawn with the same seed.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bnn_core.datasets.mnist import load_mnist
from bnn_core.measures.uncertainty import confidence_score
from bnn_core.networks.building import network_input, saved_config
from bnn_core.networks.prediction import predict_batches
from bnn_core.networks.procedures import networks_of
from bnn_core.study.folder import open_study

CUTOFFS = (0.1, 0.2, 0.5)


def predicted(folder: Path, images: np.ndarray, adaptive: bool) -> tuple[np.ndarray, ...]:
    """Mean softmax (N, C), networks used (N,), CPU seconds."""
    networks = networks_of(folder, 100, 0)
    ready = partial(network_input, intensity=saved_config(folder).intensity)
    start = time.process_time()
    batches = list(predict_batches(networks, images, ready, adaptive=adaptive))
    seconds = time.process_time() - start
    p = np.concatenate([batch.moments.mean_p for batch in batches])
    used = [np.full(len(b.moments.mean_p), 100) if b.used is None else b.used for b in batches]
    return p, np.concatenate(used), np.array([seconds])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("images", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.images.is_dir():
        images = load_mnist(args.images, train=False).images
    else:
        images = np.load(args.images, mmap_mode="r")
    fold_of = open_study(args.study).images["fold"].to_numpy()
    folds = {k: args.study / "folds" / str(k) / "vi" for k in np.unique(fold_of[fold_of >= 0])}
    results = [
        [predicted(folder, images[fold_of == k], adaptive) for k, folder in folds.items()]
        for adaptive in (False, True)
    ]
    (p, _, seconds), (quick_p, used, quick_seconds) = (
        [np.concatenate(parts) for parts in zip(*runs, strict=True)] for runs in results
    )
    c, quick_c = (confidence_score(values.max(axis=1)) for values in (p, quick_p))
    away = np.abs(c - quick_c)
    print(f"{len(p):,} images, {used.mean():.1f} networks of 100: {100 / used.mean():.1f} x fewer")
    print(f"CPU s: {seconds.sum():.1f} by all, {quick_seconds.sum():.1f} by as many as needed")
    print(f"c within 0.005: {np.mean(away <= 0.005):.2%}; largest difference {away.max():.3f}")
    print(f"same class: {np.mean(p.argmax(1) == quick_p.argmax(1)):.2%}")
    for cutoff in CUTOFFS:
        print(
            f"kept at c >= {cutoff}: {np.mean(c >= cutoff):.2%}, {np.mean(quick_c >= cutoff):.2%}"
        )


if __name__ == "__main__":
    main()
