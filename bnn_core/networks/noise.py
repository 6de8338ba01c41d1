"""Random numbers of a training step, drawn on the device where they are used.

All parts of a step (noise, augmentation, dropout) draw from one generator. A seed then means the
same training whatever else the process draws, several trainings can run side by side on one GPU,
and a captured CUDA graph draws new numbers at every replay.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_generator: ContextVar[torch.Generator | None] = ContextVar("generator", default=None)


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Draw all numbers of the block from `generator`; without it, from torch's global one."""
    token = _generator.set(generator)
    try:
        yield
    finally:
        _generator.reset(token)


def normal_like(x: Tensor, std: float = 1.0) -> Tensor:
    """Normal numbers of mean 0 with the shape, type, device and memory layout of x."""
    return torch.empty_like(x).normal_(std=std, generator=_generator.get())


def kept_like(x: Tensor, share: float) -> Tensor:
    """1 with probability `share`, else 0; shape, type and device of x."""
    return torch.empty_like(x).bernoulli_(share, generator=_generator.get())


def uniform(low: float, high: float, shape: Sequence[int], device: torch.device) -> Tensor:
    """Uniform float32 numbers between low and high."""
    return torch.empty(*shape, device=device).uniform_(low, high, generator=_generator.get())


def integers(below: int, shape: Sequence[int], device: torch.device) -> Tensor:
    """Uniform int64 numbers 0 .. below - 1."""
    return torch.randint(below, tuple(shape), generator=_generator.get(), device=device)
