"""Studies with one fixed split of small one-channel images: MNIST, and digits drawn by code."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from tqdm import tqdm

from bnn_core.base.errors import InputError
from bnn_core.base.methods import reading_method
from bnn_core.datasets.digits import generate_digits
from bnn_core.datasets.mnist import DIGITS, LabelledImages, load_mnist
from bnn_core.measures.sample_size import accuracy_by_samples
from bnn_core.measures.uncertainty import summarise
from bnn_core.measures.unlikeness import with_unlikeness
from bnn_core.networks.building import network_input
from bnn_core.networks.prediction import predictive_samples
from bnn_core.networks.procedures import method_record, networks_of, training_order
from bnn_core.networks.settings import TrainConfig, settings_of
from bnn_core.networks.training import TrainingSet
from bnn_core.recipes.fold import read_result, run_method
from bnn_core.recipes.method_choice import MethodChoice, with_precision
from bnn_core.recipes.rivals import with_rivals
from bnn_core.study.folder import content_hashes, write_table
from bnn_core.study.working_folder import making_of
from bnn_core.study.writing import finish_study

# The Bayesian means start from the standard network: a third of the time to the same accuracy.
QUICK_PRESET = {
    "standard": TrainConfig(bayesian=False, epochs=2),
    "vi": TrainConfig(epochs=1, rho_init=-5.0, start="standard"),
}
DEFAULT_PRESET = {
    "standard": TrainConfig(bayesian=False, epochs=12, weight_decay=1e-5, augmentation="shift"),
    "vi": TrainConfig(epochs=14, rho_init=-4.0, augmentation="shift", start="standard"),
}
#: Table 1 of Deodato et al. (2020), which does not give the numbers of the prior.
PAPER_PRESET = {
    "standard": TrainConfig(
        bayesian=False,
        epochs=200,
        batch_size=256,
        learning_rate=1e-3,
        schedule="step",
        step_epoch=170,
        weight_decay=5e-3,
        validation=0.0,
    ),
    "vi": TrainConfig(
        epochs=300,
        batch_size=32,
        learning_rate=1e-3,
        schedule="step",
        step_epoch=200,
        validation=0.0,
    ),
}
DIGIT_PRESETS = {
    "quick": with_rivals(QUICK_PRESET, members=3),
    "default": with_rivals(DEFAULT_PRESET),
    "paper": with_rivals(PAPER_PRESET),
}
#: For digits drawn by code.
DRAWN_PRESETS = {
    "default": with_rivals(
        {
            "standard": TrainConfig(bayesian=False, epochs=10),
            "vi": TrainConfig(epochs=20, batch_size=64, kl_weight=0.1, rho_init=-4.0),
        }
    )
}


@dataclass(frozen=True)
class DigitStudy:
    """The data of a study of one fixed split.

    train, test: images (N, 1, H, W). prefix: beginning of every image id (`test-00042`).
    """

    kind: str
    title: str
    classes: list[str]
    train: LabelledImages
    test: LabelledImages
    prefix: str = "test"
    synthetic: bool = False
    notes: tuple[str, ...] = ()


def make_digit_study(
    out: Path,
    source: DigitStudy,
    choice: MethodChoice,
    *,
    pool: int = 1000,
    pool_images: int = 2000,
    settings: Mapping[str, object] | None = None,
    force: bool = False,
    restart: bool = False,
) -> Path:
    """Train every method, predict the test images, write the study. Resumable; returns its folder.

    `pool` networks on the first `pool_images` test images make figure 6 (0: leave it out).
    """
    choice = with_precision(choice, out, restart)
    settings = dict(settings or {}) | {
        "num_samples": choice.num_samples,
        "sample_seed": choice.sample_seed,
        "pool": pool,
        "pool_images": pool_images,
        "configs": {m: settings_of(c) for m, c in choice.configs.items()},
    }
    _demand_trainable(choice)
    with making_of(out, settings, force=force, restart=restart) as making:
        _run_methods(making / "folds" / "0", source, choice)
        if pool and "vi" in choice.configs:
            _write_sample_sizes(making, source.test, pool, pool_images, choice)
        return _finish(making, source, choice, settings)


def _demand_trainable(choice: MethodChoice) -> None:
    training_order(choice.configs)
    for method, config in choice.configs.items():
        if config.calibrate != "none":
            raise InputError(
                f"--calibrate {method}={config.calibrate} needs several folds and this study has one "
                "fixed split; leave it out, or add temperature to --methods"
            )


def _run_methods(fold: Path, source: DigitStudy, choice: MethodChoice) -> None:
    """Train every method in its folder of `fold` and predict the test images."""
    training = TrainingSet(source.train.images, source.train.targets, len(source.classes))
    for method in training_order(choice.configs):
        run_method(
            fold / method,
            choice.configs[method],
            training,
            source.test.images,
            np.arange(len(source.test.images)),
            num_samples=choice.num_samples,
            sample_seed=choice.sample_seed,
            device=choice.device,
        )


def _write_sample_sizes(
    making: Path, test: LabelledImages, pool: int, pool_images: int, choice: MethodChoice
) -> None:
    """The numbers of figure 6, from `pool` networks on the first images; kept where it is there."""
    path = making / "sample_size.parquet"
    if path.is_file():
        return
    subset = slice(0, min(pool_images, len(test.images)))
    samples = _pool_samples(
        making / "folds" / "0" / "vi",
        test.images[subset],
        pool,
        choice.sample_seed + 1,
        choice.device,
    )
    write_table(path, accuracy_by_samples(samples, test.targets[subset]))


def _finish(
    making: Path, source: DigitStudy, choice: MethodChoice, settings: Mapping[str, object]
) -> Path:
    """Write the study of trained methods; returns its folder."""
    fold, configs = making / "folds" / "0", choice.configs
    results = {method: read_result(fold / method) for method in configs}
    images = _image_rows(source)
    labels = images["label"].to_numpy()
    main = reading_method(results)
    samples = {m: r.samples for m, r in results.items() if r.samples is not None}
    return finish_study(
        making,
        title=source.title,
        kind=source.kind,
        classes=source.classes,
        images=images,
        summaries={
            m: with_unlikeness(
                summarise(r.moments, source.classes, labels, r.novelty, r.used),
                np.ones(len(images), bool),
            )
            for m, r in results.items()
        },
        samples=samples,
        embedding=results[main].embedding,
        thumbnails=(lossless_thumbnail(image[0]) for image in source.test.images),
        methods={m: method_record(m, configs[m], [fold / m], samples[m].shape[1]) for m in results},
        settings=settings,
        extra={
            "synthetic": source.synthetic,
            "notes": list(source.notes),
            "embedding_of": main,
            "seeds": {
                "training": {m: c.seed for m, c in configs.items()},
                "samples": choice.sample_seed,
            },
        },
    )


def _image_rows(source: DigitStudy) -> pd.DataFrame:
    """One row per test image, as in images.parquet."""
    names = np.asarray(source.classes, dtype=object)
    return pd.DataFrame(
        {
            "image_id": [f"{source.prefix}-{row:05d}" for row in range(len(source.test.images))],
            "label": names[source.test.targets],
            "role": "scored",
            "fold": 0,
            "path": None,
            "content_hash": content_hashes(source.test.images),
        }
    )


def drawn_digits(
    train_images: int = 4000, test_images: int = 1000, seed: int = 0, title: str | None = None
) -> DigitStudy:
    """Digits drawn by code from one seed: numbers of images to train on and to test on."""
    parts = []
    for n, part_seed in ((train_images, 2 * seed), (test_images, 2 * seed + 1)):
        images, targets = generate_digits(n, part_seed)
        parts.append(LabelledImages(images[:, None], targets))
    return DigitStudy(
        "digits",
        title or "Synthetic digits, drawn by code",
        DIGITS,
        *parts,
        prefix="digit",
        synthetic=True,
        notes=("Synthetic: every image is drawn by code; nothing here is a measurement.",),
    )


def mnist_digits(root: Path, title: str) -> DigitStudy:
    """MNIST from the folder `root`; InputError naming what is missing or damaged."""
    return DigitStudy(
        "mnist", title, DIGITS, load_mnist(root, train=True), load_mnist(root, train=False)
    )


def lossless_thumbnail(image: np.ndarray) -> bytes:
    """WebP bytes of a grey uint8 image (H, W), every pixel kept."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def _pool_samples(
    folder: Path, images: np.ndarray, pool: int, seed: int, device: str
) -> np.ndarray:
    networks = networks_of(folder, pool, seed, device)
    parts = []
    with tqdm(total=len(images), desc=f"figure 6: {pool} networks", unit="image") as bar:
        for start in range(0, len(images), 100):
            batch = torch.as_tensor(network_input(images[start : start + 100])).to(device)
            parts.append(predictive_samples(networks, batch).cpu().numpy())
            bar.update(len(batch))
    return np.concatenate(parts, axis=1)
