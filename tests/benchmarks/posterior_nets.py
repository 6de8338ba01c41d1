"""Many small networks trained at once: M networks of one body as one batch of arrays.

The weights of network m are row m of a matrix (M, P). Its images are its own, so one step of M
networks is one step of one network with M groups of channels. BatchNorm uses the statistics of the
batch in training, and given ones in prediction.
"""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTHS = (16, 16, 16, 32, 32, 32)


@dataclass
class Body:
    """Names, shapes and places of the weights of a body.

    kind: "mscnn" or "lenet5". `parts`: (name, shape, fan_in, first, last); a fan_in of 0 marks
    BatchNorm. conv: "grouped" or "unfold". dtype: of convolutions.
    """

    kind: str
    channels: int
    classes: int
    pathways: int = 4
    head_width: int = 256
    conv: str = "grouped"
    dtype: torch.dtype = torch.float32
    channels_last: bool = False
    parts: list = field(default_factory=list)

    def __post_init__(self):
        if self.kind == "mscnn":
            for k, width in enumerate(WIDTHS[: self.pathways]):
                for j, maps in enumerate((self.channels, width, width)):
                    self._layer(f"pathways.{k}.{3 * j}", (width, maps, 5, 5))
                    self._norm(f"pathways.{k}.{3 * j + 2}", width)
            total = sum(WIDTHS[: self.pathways])
            self._layer("mix", (self.head_width, total, 1, 1))
            self._norm("norm", self.head_width)
            self._layer("head", (self.classes, self.head_width))
        else:
            self._layer("conv1", (6, self.channels, 5, 5))
            self._layer("conv2", (16, 6, 5, 5))
            self._layer("conv3", (120, 16, 5, 5))
            self._layer("linear", (84, 120))
            self._layer("head", (self.classes, 84))

    def _add(self, name: str, shape: tuple, fan_in: int) -> None:
        first = self.parts[-1][4] if self.parts else 0
        self.parts.append((name, shape, fan_in, first, first + math.prod(shape)))

    def _layer(self, name: str, shape: tuple) -> None:
        fan_in = math.prod(shape[1:])
        self._add(f"{name}.weight", shape, fan_in)
        self._add(f"{name}.bias", shape[:1], fan_in)

    def _norm(self, name: str, width: int) -> None:
        self._add(f"{name}.weight", (width,), 0)
        self._add(f"{name}.bias", (width,), 0)

    @property
    def size(self) -> int:
        return self.parts[-1][4]

    def start(self, seeds: list[int], device: str) -> Tensor:
        """(M, P) fresh weights, uniform as torch's own layers; one CPU generator per network."""
        rows = []
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            row = torch.empty(self.size)
            for name, _, fan_in, a, b in self.parts:
                if fan_in:
                    row[a:b] = (2 * torch.rand(b - a, generator=generator) - 1) / math.sqrt(fan_in)
                else:
                    row[a:b] = float(name.endswith("weight"))
            rows.append(row)
        return torch.stack(rows).to(device)

    def drawn(self, device: str, only_head: bool = False) -> Tensor:
        """(P,) 1 for weights that get a distribution, 0 for BatchNorm's."""
        mask = torch.zeros(self.size, device=device)
        for name, _, fan_in, a, b in self.parts:
            mask[a:b] = float(fan_in > 0 and (not only_head or name.startswith("head")))
        return mask

    def layer_scale(self, w: Tensor) -> Tensor:
        """(M, P) root mean square of each layer's weights, also for its bias; 1 for BatchNorm."""
        scale, last = torch.ones_like(w), None
        for name, _, fan_in, a, b in self.parts:
            if fan_in:
                if name.endswith("weight"):
                    last = w[:, a:b].square().mean(dim=1, keepdim=True).sqrt()
                scale[:, a:b] = last
        return scale

    def leaves(self, w: Tensor) -> dict[str, Tensor]:
        """Views of the rows' parts, (M, *shape) each."""
        return {name: w[:, a:b].view(len(w), *shape) for name, shape, _, a, b in self.parts}

    def logits(self, p: dict[str, Tensor], x: Tensor, norm, drop: Tensor | None = None) -> Tensor:
        """(M, B, classes). x: (B, M * channels, H, W). norm(name, h, weight, bias): BatchNorm of
        (B, M * C, ...). drop: (M,) share of maps that each image lacks, or None."""
        m = len(p["head.weight"])
        x = x.to(self.dtype)
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)

        def conv(name: str, h: Tensor, padding: int = 0) -> Tensor:
            w, b = p[f"{name}.weight"].to(self.dtype), p[f"{name}.bias"].to(self.dtype)
            out = self._conv(h, w, b, padding)
            return _dropped(out, drop, m) if drop is not None else out

        if self.kind == "lenet5":
            h = F.relu(F.max_pool2d(conv("conv1", x, 2), 2))
            h = F.relu(F.max_pool2d(conv("conv2", h), 2))
            h = F.relu(conv("conv3", h))
            h = h.to(torch.promote_types(h.dtype, torch.float32))
            h = h.reshape(len(h), m, -1).transpose(0, 1)
            h = torch.baddbmm(p["linear.bias"][:, None], h, p["linear.weight"].mT)
            if drop is not None:
                h = h * _mask(drop, (m, h.shape[1], h.shape[2]))
            h = F.relu(h)
            return torch.baddbmm(p["head.bias"][:, None], h, p["head.weight"].mT)
        maps = []
        for k in range(self.pathways):
            h = x
            for j in range(3):
                h = F.relu(conv(f"pathways.{k}.{3 * j}", h, 2))
                name = f"pathways.{k}.{3 * j + 2}"
                h = norm(name, h, p[f"{name}.weight"], p[f"{name}.bias"])
            h = F.max_pool2d(h, 2 ** (self.pathways - k), ceil_mode=True)
            maps.append(h.reshape(len(h), m, -1, h.shape[2] * h.shape[3]))
            if k + 1 < self.pathways:
                x = F.max_pool2d(x, 2, ceil_mode=True)
        h = torch.cat(maps, dim=2)  # (B, M, maps, positions)
        weight = p["mix.weight"].flatten(2).to(self.dtype)
        h = torch.matmul(weight, h) + p["mix.bias"].to(self.dtype)[:, :, None]
        if drop is not None:
            h = h * _mask(drop, (m, len(h), self.head_width)).transpose(0, 1)[..., None].to(h.dtype)
        h = F.relu(h).to(torch.promote_types(h.dtype, torch.float32)).mean(dim=3).flatten(1)
        h = norm("norm", h, p["norm.weight"], p["norm.bias"])
        h = h.reshape(len(h), m, -1).transpose(0, 1)
        return torch.baddbmm(p["head.bias"][:, None], h, p["head.weight"].mT)

    def _conv(self, h: Tensor, w: Tensor, b: Tensor, padding: int) -> Tensor:
        m, out, maps, k, _ = w.shape
        if self.conv == "grouped":
            return F.conv2d(h, w.flatten(0, 1), b.flatten(), padding=padding, groups=m)
        batch, _, height, width = h.shape
        columns = F.unfold(h.reshape(1, -1, height, width), k, padding=padding)
        columns = columns.view(batch, m, maps * k * k, -1)
        side = 2 * padding - k + 1
        product = torch.matmul(w.flatten(2), columns) + b[:, :, None]
        return product.reshape(batch, m * out, height + side, width + side)


def _mask(drop: Tensor, shape: tuple) -> Tensor:
    """(M, ...) of 0 and 1 / (1 - rate), network m with rate drop[m]."""
    rate = drop.view(-1, *[1] * (len(shape) - 1))
    return (torch.rand(shape, device=drop.device) >= rate) / (1 - rate)


def _dropped(h: Tensor, drop: Tensor, m: int) -> Tensor:
    mask = _mask(drop, (m, len(h), h.shape[1] // m)).transpose(0, 1)
    return h * mask.reshape(len(h), -1, 1, 1).to(h.dtype)


class BatchStatistics:
    """BatchNorm over each network's own batch; `gathered` keeps mean and variance when asked."""

    def __init__(self, gather: bool = False):
        self.gather, self.gathered = gather, {}

    def __call__(self, name: str, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if self.gather:
            wide = h.float()
            dims = [d for d in range(h.dim()) if d != 1]
            self.gathered[name] = (wide.mean(dims), wide.var(dims))
        return F.batch_norm(h, None, None, weight.flatten(), bias.flatten(), training=True)


class GivenStatistics:
    """BatchNorm with given means and variances."""

    def __init__(self, statistics: dict[str, tuple[Tensor, Tensor]]):
        self.statistics = statistics

    def __call__(self, name: str, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        mean, variance = self.statistics[name]
        return F.batch_norm(h, mean, variance, weight.flatten(), bias.flatten(), training=False)


def gradients(
    body: Body, w: Tensor, x: Tensor, y: Tensor, class_weights: Tensor, drop: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(losses (M,), gradients (M, P)): of each network's mean weighted cross-entropy.

    x (B, M * channels, H, W), y (M, B), class_weights (M, classes).
    """
    leaves = {name: part.detach().requires_grad_() for name, part in body.leaves(w).items()}
    logits = body.logits(leaves, x, BatchStatistics(), drop)
    m, batch, classes = logits.shape
    nll = F.cross_entropy(logits.reshape(m * batch, classes), y.reshape(-1), reduction="none")
    losses = (nll.view(m, batch) * class_weights.gather(1, y)).mean(dim=1)
    parts = torch.autograd.grad(losses.sum(), list(leaves.values()))
    return losses.detach(), torch.cat([part.reshape(m, -1) for part in parts], dim=1)


class Gradients:
    """`gradients` of one shape, on a GPU as a CUDA graph: launches cost more than small kernels.

    Where capturing fails, or the graph does not say what the plain call says, it stays plain.
    """

    def __init__(self, body: Body, class_weights: Tensor, drop: Tensor | None):
        self.body, self.class_weights, self.drop = body, class_weights, drop
        self.graph, self.tried = None, class_weights.device.type != "cuda"

    def __call__(self, w: Tensor, x: Tensor, y: Tensor) -> Tensor:
        if not self.tried:
            self.tried = True
            self._capture(w, x, y)
        if self.graph is None:
            return gradients(self.body, w, x, y, self.class_weights, self.drop)[1]
        for buffer, given in zip(self.inputs, (w, x, y), strict=True):
            buffer.copy_(given)
        self.graph.replay()
        return self.output

    def _capture(self, w: Tensor, x: Tensor, y: Tensor) -> None:
        try:
            self.inputs = tuple(part.clone() for part in (w, x, y))
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    _, plain = gradients(self.body, *self.inputs, self.class_weights, self.drop)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                _, output = gradients(self.body, *self.inputs, self.class_weights, self.drop)
            graph.replay()
            torch.cuda.synchronize()
            error = float((output - plain).norm() / plain.norm())
            if self.drop is None and not error < 0.05:
                print(f"  graph differs by {error:.2g}: plain calls", flush=True)
                return
            self.graph, self.output = graph, output
        except RuntimeError as error:
            print(f"  no graph ({str(error).splitlines()[0]}): plain calls", flush=True)
            torch.cuda.synchronize()
