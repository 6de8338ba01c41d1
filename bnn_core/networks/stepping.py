"""One training step: draw, loss, gradient, Adam. Nothing in it waits for the host.

The weights' noise, the KL and the chain rule back to mu and rho are vector operations over the
whole network (`flat`); autograd sees only the layers. On a GPU the step is captured once as a CUDA
graph and replayed, on a stream that it has for itself, so that several trainings share one GPU.
"""

from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnn_core.networks import noise
from bnn_core.networks.augmentation import augment, random_crop
from bnn_core.networks.building import network_input
from bnn_core.networks.flat import FlatAdam, FlatAverage, FlatWeights, views
from bnn_core.networks.layers import (
    SMALLEST_VARIANCE,
    DrawnWeights,
    bayes_layers,
    layer_scales,
    softplus,
)
from bnn_core.networks.precision import autocast
from bnn_core.networks.priors import PlacedPrior, Prior
from bnn_core.networks.settings import TrainConfig
from bnn_core.networks.sghmc import RENEWED_EVERY, FlatSGHMC


def cross_entropy(logits: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of logits (B, C) for class numbers (B,), in nats per image; scalar.

    class_weights (C,) have mean 1 over the training images, so that the balance with the KL stays.
    """
    if class_weights is None:
        return F.cross_entropy(logits, targets)
    return (F.cross_entropy(logits, targets, reduction="none") * class_weights[targets]).mean()


def label_margin(logits: Tensor, targets: Tensor) -> Tensor:
    """(B,) logit of the label minus the largest other logit; logits (B, C), targets (B,)."""
    column = targets[:, None]
    others = logits.scatter(1, column, -torch.inf).amax(dim=1)
    return logits.gather(1, column)[:, 0] - others


class Posterior:
    """The weights' distribution during training: draws for all layers, gradients back to mu, rho.

    The objective is cross-entropy + kl_scale * KL (Blundell et al. 2015 eq. 8, divided by N).
    """

    def __init__(
        self, network: nn.Module, flat: FlatWeights, prior: Prior | PlacedPrior, kl_scale: float
    ):
        self.flat, self.prior, self.kl_scale = flat, prior, kl_scale
        self.layers = bayes_layers(network)
        self.by_weights = self.layers[0].estimator == "weights"
        # "weights": the drawn weights, their gradient where that of mu is collected.
        # "local": the variances of the weights; the means are the parameters.
        self.drawn = torch.empty_like(flat.mu)
        self.smallest = torch.tensor(SMALLEST_VARIANCE, device=flat.mu.device)
        self.drawn_gradient = flat.mu_gradient if self.by_weights else torch.zeros_like(flat.mu)
        drawn = [part.detach().requires_grad_() for part in views(self.drawn, flat.means)]
        #: What autograd differentiates by, and where the gradients go.
        self.leaves, self.gradients = drawn, views(self.drawn_gradient, flat.means)
        if not self.by_weights:
            self.leaves = [*drawn, *flat.means]
            self.gradients += [p.grad for p in flat.means]
        given = iter(drawn)
        for layer in self.layers:
            weight, bias = next(given), None if layer.bias_mu is None else next(given)
            layer.drawn = (
                DrawnWeights(weight, bias)
                if self.by_weights
                else DrawnWeights(layer.weight_mu, layer.bias_mu, weight, bias)
            )

    def release(self) -> None:
        """Let every layer draw by itself again."""
        for layer in self.layers:
            layer.drawn = None

    def draw(self) -> Tensor:
        """Set every layer's weights for one step; returns the KL in nats, scalar."""
        self.sigma = softplus(self.flat.rho)
        if self.by_weights:
            self.eps = noise.normal_like(self.sigma)
            torch.addcmul(self.flat.mu, self.sigma, self.eps, out=self.drawn)
        else:
            self.eps = None
            torch.addcmul(self.smallest, self.sigma, self.sigma, out=self.drawn)
        kl, self.kl_by_mu, self.kl_by_sigma = self.prior.kl_and_gradient(
            self.flat.mu, self.sigma, self.eps
        )
        return kl.dot(self.flat.counts)

    def chain_rule(self, share: Tensor | None = None) -> None:
        """From the gradients by the drawn weights to those of the objective by mu and rho.

        share: of the KL's weight that counts in this step, a scalar on the device; None: all.
        """
        by_drawn = self.drawn_gradient
        by_sigma = by_drawn * self.eps if self.by_weights else by_drawn * self.sigma * 2
        if share is not None:
            self.kl_by_sigma.mul_(share)
            self.kl_by_mu = self.kl_by_mu * share
        by_sigma.add_(self.kl_by_sigma, alpha=self.kl_scale)
        torch.mul(by_sigma, self.flat.rho.sigmoid(), out=self.flat.rho_gradient)
        self.flat.mu_gradient.addcmul_(self.kl_by_mu, self.flat.counts, value=self.kl_scale)


def place_prior(config: TrainConfig, network: nn.Module, flat: FlatWeights) -> Prior | PlacedPrior:
    """The prior of a network as it is before its training, over the means in `flat`."""
    prior = config.make_prior()
    if config.prior_scale == "fixed" and config.prior_centre == "zero":
        return prior
    scale = torch.ones_like(flat.mu)
    if config.prior_scale == "layer":
        for part, value in zip(views(scale, flat.means), layer_scales(network), strict=True):
            part.fill_(value)
    centre = flat.mu.clone() if config.prior_centre == "start" else torch.zeros_like(flat.mu)
    return PlacedPrior(prior, centre, scale)


def make_optimizer(config: TrainConfig, flat: FlatWeights, num_images: int) -> FlatAdam | FlatSGHMC:
    """The optimiser or sampler that the settings name."""
    if config.optimizer == "sghmc":
        return FlatSGHMC(flat, num_images, config.sampling_temperature)
    rho_factor = (config.rho_learning_rate or config.learning_rate) / config.learning_rate
    return FlatAdam(flat, config.weight_decay, config.optimizer == "adamw", rho_factor)


class TrainingStep:
    """Steps of one training, `num_images` images and `steps` steps an epoch, on one device."""

    def __init__(
        self,
        network: nn.Module,
        config: TrainConfig,
        num_images: int,
        steps: int,
        class_weights: Tensor | None,
        device: str,
    ):
        self.network, self.config, self.class_weights = network, config, class_weights
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device)
        self.stream, self.replayed = None, True
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # every batch has the same shape
            self.stream = torch.cuda.Stream(self.device)
            self.stream.wait_stream(torch.cuda.current_stream(self.device))
        with self.on_stream():
            self.flat = FlatWeights(network)
            self.posterior = None
            if config.bayesian:
                self.posterior = Posterior(
                    network,
                    self.flat,
                    place_prior(config, network, self.flat),
                    config.kl_weight / num_images,
                )
            self.optimizer = make_optimizer(config, self.flat, num_images)
            averaged_from = int((1 - config.swa) * steps * config.epochs)
            self.average = FlatAverage(self.flat, averaged_from) if config.swa else None
            self.leaves, self.gradients = [*self.flat.plain], [p.grad for p in self.flat.plain]
            if self.posterior:
                self.leaves += self.posterior.leaves
                self.gradients += self.posterior.gradients
            # Of every step of the epoch: numbers that the optimiser needs, the share of the KL and
            # the weight in the average; nll, KL, right answers.
            self.numbers = torch.zeros(steps, self.optimizer.WIDTH + 2, device=self.device)
            self.log = torch.zeros(steps, 3, device=self.device)
            self.index = torch.zeros(1, dtype=torch.int64, device=self.device)
            # Margins of the epoch's images, in the order in which they are trained on.
            self.margins = torch.zeros(num_images, device=self.device)
        self.sizes: list[int] = []
        self.graphs: dict[tuple[int, ...], _Replayed] = {}

    def on_stream(self):
        """Context in which this training's work is queued."""
        return nullcontext() if self.stream is None else torch.cuda.stream(self.stream)

    def begin_epoch(self, rates: np.ndarray, first: int, seed: int) -> None:
        """rates: (steps, 3), see `schedule`; first: number of steps done before; seed: of noise."""
        weights = self.average.numbers(first, len(rates)) if self.average else np.zeros(len(rates))
        numbers = [self.optimizer.numbers(rates[:, :2], first), rates[:, 2], weights]
        self.numbers.copy_(torch.from_numpy(np.column_stack(numbers)))
        self.done = first
        self.index.zero_()
        self.sizes.clear()
        self.generator.manual_seed(seed)
        self.network.train()

    def __call__(self, images: Tensor, targets: Tensor) -> None:
        """Queue one step on images (B, channels, H, W) uint8 and class numbers (B,)."""
        self.sizes.append(len(images))
        if isinstance(self.optimizer, FlatSGHMC) and self.done % RENEWED_EVERY == 5:
            self.optimizer.renew()
        self.done += 1
        with noise.drawing_from(self.generator):
            if self.stream is None or not self.replayed:
                self._step(images, targets)
            else:
                graph = self.graphs.setdefault(images.shape, _Replayed(self))
                graph(images, targets)

    def epoch_sums(self) -> tuple[dict[str, float], int]:
        """Sums over the epoch's images of nll (nats), KL and right answers; the number of the first
        step whose loss was not finite, or 0. Waits for the device."""
        log = self.log[: len(self.sizes)].double().cpu().numpy()
        nll, kl = (log[:, :2].T @ self.sizes).tolist()
        failed = np.flatnonzero(~np.isfinite(log).all(axis=1))
        sums = {"nll": nll, "kl": kl, "right": float(log[:, 2].sum())}
        return sums, int(failed[0]) + 1 if len(failed) else 0

    @property
    def state(self) -> list[Tensor]:
        """Tensors that a checkpoint keeps beside the network's."""
        return self.optimizer.state + ([self.average.mean] if self.average else [])

    def release(self) -> None:
        """End the training: averaged weights are the network's, layers draw by themselves."""
        if self.average:
            self.average.apply()
        if self.posterior:
            self.posterior.release()

    def batch(self, images: Tensor) -> Tensor:
        """Training images cropped, augmented and scaled as the network takes them."""
        config = self.config
        return network_input(
            augment(random_crop(images, config.crop), config.augmentation), config.intensity
        )

    def _step(self, images: Tensor, targets: Tensor) -> None:
        with torch.no_grad():
            kl = self.posterior.draw() if self.posterior else torch.zeros((), device=self.device)
            x = self.batch(images)
        with autocast(self.device, self.config.precision):
            logits = self.network(x).float()
        nll = cross_entropy(logits, targets, self.class_weights)
        torch._foreach_copy_(self.gradients, torch.autograd.grad(nll, self.leaves))
        with torch.no_grad():
            numbers = self.numbers.index_select(0, self.index)[0]
            if self.posterior:
                self.posterior.chain_rule(numbers[-2] if self.config.kl_warmup else None)
            self.optimizer.step(numbers[:-2])
            if self.average:
                self.average.step(numbers[-1])
            right = (logits.argmax(1) == targets).sum(dtype=torch.float32)
            self.log.index_copy_(0, self.index, torch.stack([nll, kl, right])[None])
            at = self.index * self.config.batch_size + torch.arange(len(x), device=self.device)
            self.margins.index_copy_(0, at, label_margin(logits, targets))
            self.index += 1


class _Replayed:
    """A step for one batch shape: two plain calls, then a captured CUDA graph, replayed."""

    def __init__(self, step: TrainingStep):
        self.step, self.calls = step, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: tuple[Tensor, ...] = ()

    def __call__(self, images: Tensor, targets: Tensor) -> None:
        self.calls += 1
        if self.calls <= 2:
            self.step._step(images, targets)
            return
        if self.graph is None:
            self.inputs = images.clone(), targets.clone()
            self.graph = torch.cuda.CUDAGraph()
            self.graph.register_generator_state(self.step.generator)
            with torch.cuda.graph(self.graph, stream=self.step.stream):
                self.step._step(self.inputs[0], self.inputs[1])
        for buffer, given in zip(self.inputs, (images, targets), strict=True):
            buffer.copy_(given)
        self.graph.replay()
