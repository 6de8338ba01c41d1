"""Prediction: T networks drawn once, each applied to all images (eq. 6), streamed to moments.

Whatever the posterior (mean-field, dropout, an ensemble), a prediction is a set of T plain networks
of one body, so one engine serves every method.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from bnn_core.base.errors import InputError
from bnn_core.measures.uncertainty import Moments
from bnn_core.networks.adaptive import in_stages, stages_of
from bnn_core.networks.augmentation import symmetry
from bnn_core.networks.bodies import LeNet5
from bnn_core.networks.layers import BayesLayer
from bnn_core.networks.memory import keep_freed_memory
from bnn_core.networks.mlp import MLP
from bnn_core.networks.mscnn import MultiScaleCNN
from bnn_core.networks.precision import autocast

#: Half of the least positive float16, in which samples are stored: what is rounded to 0.
SMALLEST = 2.0**-25
#: Images of one batch on a GPU; more make it no faster.
LARGEST_BATCH = 16_384
#: Batches of torch are filled to a multiple of so many images: the products of others are rounded
#: otherwise, and an image would get other numbers among other images.
BLOCK = 16


@dataclass(frozen=True)
class Networks:
    """T networks of one plain body.

    weights: name -> tensor (T, *shape) on the body's device; T is `num_samples`. symmetries: how
    many of the square's symmetries prediction averages over, 1 or 8 (`augmentation.symmetry`).
    temperature: every network's softmax is raised to 1 / temperature and normalised.
    """

    body: nn.Module
    weights: dict[str, Tensor]
    symmetries: int = 1
    temperature: float = 1.0

    @property
    def num_samples(self) -> int:
        return len(next(iter(self.weights.values())))

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return ({name: w[t] for name, w in self.weights.items()} for t in range(self.num_samples))


def draw_networks(network: nn.Module, plain: nn.Module, num_samples: int, seed: int) -> Networks:
    """Draw T networks from a Bayesian network's posterior.

    `plain` is the standard twin of `network` (same body, plain layers). The noise comes from a CPU
    generator, network by network, so that a seed means the same networks on every device and the
    first T of a longer draw are the same networks.
    """
    generator = torch.Generator().manual_seed(seed)
    layers = {
        name: layer for name, layer in network.named_modules() if isinstance(layer, BayesLayer)
    }
    device = next(network.parameters()).device
    posteriors = {}
    for name, layer in layers.items():
        for part in ("weight", "bias"):
            mu = getattr(layer, f"{part}_mu")
            if mu is not None:
                sigma = F.softplus(getattr(layer, f"{part}_rho"))
                posteriors[f"{name}.{part}"] = (mu.detach(), sigma.detach())
    sizes = [mu.numel() for mu, _ in posteriors.values()]
    noise = torch.empty(num_samples, sum(sizes))
    for row in noise:
        torch.randn(len(row), generator=generator, out=row)
    weights = {
        name: mu + sigma * part.reshape(num_samples, *mu.shape).to(device)
        for (name, (mu, sigma)), part in zip(
            posteriors.items(), noise.split(sizes, dim=1), strict=True
        )
    }
    return Networks(_with_rest(network, plain), weights)


def posterior_mean(network: nn.Module, plain: nn.Module) -> Networks:
    """The one network at the posterior mean; of a standard network, itself."""
    return stack_networks([network], plain)


def stack_networks(members: list[nn.Module], plain: nn.Module) -> Networks:
    """Networks from trained members of one body (a deep ensemble; of one member, that network)."""
    states = [plain_state(member) for member in members]
    return Networks(
        plain.to(next(members[0].parameters()).device).eval(),
        {name: torch.stack([state[name] for state in states]) for name in states[0]},
    )


def plain_state(network: nn.Module) -> dict[str, Tensor]:
    """State of the plain twin at the posterior mean: *_mu without its suffix, *_rho left out."""
    return {
        name.removesuffix("_mu"): value.detach()
        for name, value in network.state_dict().items()
        if not name.endswith("_rho")
    }


def _with_rest(network: nn.Module, plain: nn.Module) -> nn.Module:
    """`plain` with everything of `network` that is not drawn (BatchNorm and its statistics)."""
    plain = plain.to(next(network.parameters()).device)
    plain.load_state_dict(plain_state(network))
    return plain.eval()


def predictive_samples(networks: Networks, images: Tensor) -> Tensor:
    """Softmax samples (T, N, C) of images (N, channels, H, W) already on the networks' device."""
    with torch.inference_mode():
        return probabilities(networks)(images)


def probabilities(networks: Networks) -> Callable[[Tensor], Tensor]:
    """Softmax (T, n, C) of all networks as a function of images (n, channels, H, W).

    With symmetries each of T networks sees the images under one of them, network t under number t
    modulo 8: the mean over the networks is one over the symmetries too and costs no more. Fewer
    networks than symmetries each see all, and their softmax is averaged.
    """
    total, count = networks.num_samples, networks.symmetries
    if networks.temperature != 1:
        untempered = probabilities(replace(networks, temperature=1.0))
        return lambda images: torch.softmax(
            untempered(images).clamp(min=SMALLEST).log() / networks.temperature, dim=-1
        )
    if count == 1:
        logits = fastest_sampler(networks)
        return lambda images: logits(images).float().softmax(dim=-1)
    if total < count:
        logits = fastest_sampler(networks)
        return lambda images: sum(
            logits(symmetry(images, k)).float().softmax(dim=-1) / count for k in range(count)
        )
    parts = [
        fastest_sampler(
            Networks(networks.body, {name: w[k::count] for name, w in networks.weights.items()})
        )
        for k in range(count)
    ]

    def of_parts(images: Tensor) -> Tensor:
        shown = [part(symmetry(images, k)).float() for k, part in enumerate(parts)]
        p = shown[0].new_empty(total, *shown[0].shape[1:])
        for k, logits in enumerate(shown):
            p[k::count] = logits.softmax(dim=-1)
        return p

    return of_parts


def fastest_sampler(networks: Networks) -> Callable[[Tensor], Tensor]:
    """Logits (T, n, C) of all networks as a function of images (n, channels, H, W), the fastest
    that there is for the body and the device. Prepared once, called for every batch.
    """
    body, weights = networks.body, networks.weights
    if set(weights) == {"head.weight", "head.bias"}:
        return partial(_in_blocks, partial(_last_layers, networks))
    if isinstance(body, MLP) and set(weights) == {name for name, _ in body.named_parameters()}:
        return partial(_in_blocks, partial(_perceptrons, networks))
    if _has_kernel(body):
        weights = weights | _shared(networks)
        if isinstance(body, MultiScaleCNN):
            from bnn_core.networks import mscnn_cpu

            return mscnn_cpu.mscnn_sampler(body, weights, partial(one_by_one, networks))
        if not next(body.parameters()).is_cuda:
            from bnn_core.networks import lenet5_cpu

            return lenet5_cpu.lenet5_sampler(weights)
        if _triton_works():
            from bnn_core.networks import lenet5_gpu

            return lenet5_gpu.lenet5_gpu_sampler(weights)
    return partial(one_by_one, networks)


def one_by_one(networks: Networks, images: Tensor) -> Tensor:
    """Logits (T, n, C): each network applied to all images by itself, for any body."""
    return torch.stack([functional_call(networks.body, weights, (images,)) for weights in networks])


def whole_blocks(images: Tensor) -> Tensor:
    """The images, and the last one again until they fill blocks of BLOCK."""
    more = images[-1:].expand(-len(images) % BLOCK, *images.shape[1:])
    return torch.cat([images, more]) if len(more) else images


def _in_blocks(logits: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Logits (T, n, C) of images that torch gets in whole blocks."""
    return logits(whole_blocks(images))[:, : len(images)]


def _last_layers(networks: Networks, images: Tensor) -> Tensor:
    """Logits of networks that differ in their last layer only: one pass through the body."""
    features = networks.body.features(images)
    return features @ networks.weights["head.weight"].mT + networks.weights["head.bias"][:, None]


def _perceptrons(networks: Networks, images: Tensor) -> Tensor:
    """Logits of perceptrons with one scaling, which is then done once, as two batched products."""
    weights = networks.weights
    x = networks.body.scaling(images.flatten(1)).expand(networks.num_samples, -1, -1)
    h = torch.baddbmm(weights["hidden.bias"][:, None], x, weights["hidden.weight"].mT).relu_()
    return torch.baddbmm(weights["head.bias"][:, None], h, weights["head.weight"].mT)


def _shared(networks: Networks) -> dict[str, Tensor]:
    """The body's numbers that are not drawn, as often as there are networks."""
    return {
        name: value.expand(networks.num_samples, *value.shape)
        for name, value in networks.body.state_dict().items()
        if name not in networks.weights
    }


def _has_kernel(body: nn.Module) -> bool:
    """Whether there is a compiled kernel for a body: with numba on a CPU, of LeNet5 also with
    Triton on a GPU."""
    if next(body.parameters()).is_cuda:
        return isinstance(body, LeNet5) and find_spec("triton") is not None
    return isinstance(body, LeNet5 | MultiScaleCNN) and find_spec("numba") is not None


@cache
def _triton_works() -> bool:
    """Whether Triton can compile here: it needs a C compiler. Says so once where it cannot."""
    from bnn_core.networks import lenet5_gpu

    try:
        lenet5_gpu.compile_kernels()
    except Exception as error:
        print(
            f"prediction of LeNet5 runs without its compiled GPU kernel ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no reason given'})",
            file=sys.stderr,
        )
        return False
    return True


class Embedded(NamedTuple):
    """What the layers of one network say of a batch, float32: the last hidden layer (n, D), the logits
    (n, C), and textures (n, 2 K), the mean and the standard deviation over the positions of each of
    K maps of the convolutions; 0 wide in a network without them."""

    features: np.ndarray
    logits: np.ndarray
    textures: np.ndarray


def concatenated(batches: Iterable[Embedded]) -> Embedded:
    """All batches as one."""
    return Embedded(*map(np.concatenate, zip(*batches, strict=True)))


def embed(
    networks: Networks,
    images: np.ndarray,
    prepare: Callable[[np.ndarray | Tensor], Tensor],
    batch_size: int | None = None,
    rows: np.ndarray | None = None,
) -> Iterator[Embedded]:
    """The layers of the first of the networks, batch by batch.

    rows: which images, in that order; None: all. Other arguments as `predict`.
    """
    body = networks.body
    device = next(body.parameters()).device
    body.load_state_dict(body.state_dict() | next(iter(networks)))
    rows = np.arange(len(images)) if rows is None else rows
    size = batch_size or images_per_batch(networks, images, prepare)
    for start in range(0, len(rows), size):
        with torch.inference_mode():
            batch = prepare(on_device(images[rows[start : start + size]], device))
            n, batch = len(batch), whole_blocks(batch)
            textures = [batch.new_empty(len(batch), 0)]
            features = body.features(batch, partial(_keep_texture, textures)).float()
            parts = features, body.head(features), torch.cat(textures, dim=1)
        yield Embedded(*(part[:n].float().cpu().numpy() for part in parts))


def _keep_texture(textures: list[Tensor], maps: Tensor) -> None:
    maps = maps.float()
    mean = maps.mean(dim=(2, 3))
    # A quarter of the time of torch.std_mean.
    std = (maps - mean[..., None, None]).square_().mean(dim=(2, 3)).sqrt_()
    textures += [mean, std]


class Predicted(NamedTuple):
    """One batch of images: their rows, their moments, their samples (n, T, C), where kept, and how
    many networks each needed (n,), where that was decided image by image."""

    rows: slice
    moments: Moments
    samples: np.ndarray | None
    used: np.ndarray | None


def predict_batches(
    networks: Networks,
    images: np.ndarray,
    prepare: Callable[[np.ndarray | Tensor], Tensor],
    *,
    keep: torch.dtype | None = None,
    batch_size: int | None = None,
    precision: str = "float32",
    adaptive: bool = False,
) -> Iterator[Predicted]:
    """Moments of T samples for N images, batch by batch: memory does not grow with N.

    `images` (N, channels, H, W) may be memory-mapped; `prepare` turns a batch of them into the
    network's input. keep: type of the samples that come with each batch; None keeps no samples.
    batch_size: None chooses one that suits the device, see `images_per_batch`. precision: of
    products and convolutions, see `settings.PRECISIONS`. adaptive: as many of the T networks as an
    image needs, see `adaptive`. Moments are summed on the device.
    Raises InputError where a prediction is not finite.
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size is at least 1, not {batch_size}")
    if not len(images):
        return
    keep_freed_memory()
    device = next(networks.body.parameters()).device
    size = batch_size or images_per_batch(networks, images, prepare)
    # With symmetries each network sees another one: only all of them together see all.
    stages = stages_of(networks.num_samples) if adaptive and networks.symmetries == 1 else []
    softmax = in_stages(_parts(networks, stages), stages) if stages else probabilities(networks)
    for start in range(0, len(images), size):
        rows, used = slice(start, min(start + size, len(images))), None
        with torch.inference_mode(), autocast(device, precision):
            p = softmax(prepare(on_device(images[rows], device)))
            if stages:
                p, used = p[0], p[1].cpu().numpy()
            samples = None if keep is None else p.transpose(0, 1).to(keep).cpu().numpy()
            moments = _moments(p)
        if not np.isfinite(moments.mean_p).all():
            raise InputError(
                "the networks predict values that are not finite: their weights are damaged or "
                "their training diverged; make the study again"
            )
        yield Predicted(rows, moments, samples, used)


def _parts(networks: Networks, stages: Sequence[int]) -> list[Callable[[Tensor], Tensor]]:
    """Softmax of the networks of each stage that the stage before did not have."""
    return [
        probabilities(
            Networks(networks.body, {name: w[start:stop] for name, w in networks.weights.items()})
        )
        for start, stop in zip([0, *stages[:-1]], stages, strict=True)
    ]


def predict(
    networks: Networks,
    images: np.ndarray,
    prepare: Callable[[np.ndarray | Tensor], Tensor],
    *,
    samples: np.ndarray | None = None,
    batch_size: int | None = None,
    precision: str = "float32",
    progress: Callable[[int], object] = lambda n: None,
) -> Moments:
    """Moments of T samples for all N images; arguments as `predict_batches`.

    `samples`, an array (N, T, C) of any float type, is filled where given. `progress` is called
    with the number of images done since the last call.
    """
    keep = None if samples is None else torch.from_numpy(np.empty(0, samples.dtype)).dtype
    parts = []
    for batch in predict_batches(
        networks, images, prepare, keep=keep, batch_size=batch_size, precision=precision
    ):
        parts.append(batch.moments)
        if samples is not None:
            samples[batch.rows] = batch.samples
        progress(batch.rows.stop - batch.rows.start)
    if not parts:
        return Moments(np.empty((0, 0)), np.empty((0, 0)), np.empty(0))
    return Moments.concatenate(parts)


def on_device(images: np.ndarray, device: torch.device) -> Tensor:
    """A batch of images on the device; to a GPU it is copied through pinned memory."""
    if device.type == "cpu":
        return torch.tensor(images)
    kind = torch.from_numpy(np.empty(0, images.dtype)).dtype
    pinned = torch.empty(images.shape, dtype=kind, pin_memory=True)
    pinned.numpy()[...] = images
    return pinned.to(device, non_blocking=True)


def images_per_batch(
    networks: Networks, images: np.ndarray, prepare: Callable[[Tensor], Tensor]
) -> int:
    """How many images a batch holds: on a CPU activations that fit a cache, on a GPU its memory.

    A GPU is slow in small batches, because each batch costs T times the launches of a network. The
    memory of an image is measured on a few of them.
    """
    device = next(networks.body.parameters()).device
    if device.type != "cuda":
        # Whole blocks of the kernels, one for each thread, and at most what a cache holds.
        blocks = max(50_000 // images[0].size, 1) * torch.get_num_threads()
        return min(16 * blocks, 512 if _has_kernel(networks.body) else 100)
    few = images[:8]
    first = Networks(networks.body, {name: w[:1] for name, w in networks.weights.items()})
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    classes = predictive_samples(first, prepare(on_device(few, device))).shape[2]
    each = (torch.cuda.max_memory_allocated(device) - before) / len(few)
    # Of every sample: softmax and its stacked copy, and double precision for the moments.
    each += networks.num_samples * classes * 40
    free, _ = torch.cuda.mem_get_info(device)
    return int(np.clip(free / 2 / each, 1, LARGEST_BATCH))


def _moments(p: Tensor) -> Moments:
    """Moments of samples (T, n, C), as `measures.uncertainty.moments`, computed on their device."""
    parts = p, p.square(), torch.special.entr(p).sum(dim=2)
    return Moments(*(part.mean(dim=0, dtype=torch.float64).cpu().numpy() for part in parts))
