"""As many networks as an image needs: `--num-samples auto`.

The confidence c of many images is settled by a few networks. Each image is looked at by the first
5 of 100 networks; where the confidence that all 100 would give may still differ by more than
TOLERANCE, by 10, 20, 50 and 100. The networks are those of a draw of 100, so an image that needs all of
them gets the numbers of the usual prediction.
"""

from collections.abc import Callable, Sequence

import torch
from scipy.stats import t as student
from torch import Tensor

#: The number of networks that means: as many as an image needs.
AUTO = "auto"
#: Networks after which an image may be done. Only those count that divide the last, see `in_stages`.
STAGES = (5, 10, 20, 50, 100)
#: The most by which c may differ from that of all networks.
TOLERANCE = 0.005
#: Confidence of the interval in which the mean softmax of all networks is expected. With this one c
#: is within TOLERANCE for 99 % of images and more: on held-out training images of MNIST, on fields of
#: cells, on the demo and on drawn cells of unseen kinds (0.9 missed that on the fields).
SETTLED_LEVEL = 0.95


def stages_of(total: int) -> list[int]:
    """Numbers of networks after which an image may be done, of `total`, which is the last."""
    return [k for k in STAGES if k < total and total % k == 0] + [total]


def in_stages(
    parts: Sequence[Callable[[Tensor], Tensor]], stages: Sequence[int]
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """Softmax (T, n, C) and networks used (n,) as a function of images (n, channels, H, W).

    parts: softmax of the networks of each stage that the stage before did not have. An image that
    is done after k of T networks has each of its k samples T / k times: means over the T samples
    are means over the k.
    """
    total = stages[-1]

    def sample(images: Tensor) -> tuple[Tensor, Tensor]:
        first = parts[0](images)
        p = first.new_empty(total, *first.shape[1:])
        p[: stages[0]] = first
        used = torch.full((len(images),), stages[0], device=images.device)
        open_rows = torch.arange(len(images), device=images.device)
        for before, after, part in zip(stages[:-1], stages[1:], parts[1:], strict=True):
            open_rows = open_rows[~is_settled(p[:before, open_rows], total)]
            if not len(open_rows):
                break
            p[before:after, open_rows] = part(images[open_rows])
            used[open_rows] = after
        for k in stages[:-1]:
            rows = torch.nonzero(used == k)[:, 0]
            p[:, rows] = p[:k, rows].repeat(total // k, 1, 1)
        return p, used

    return sample


def is_settled(p: Tensor, total: int) -> Tensor:
    """(n,) whether c of images is within TOLERANCE of that of all `total` networks.

    p: (k, n, C) softmax of the first k networks. The mean of all networks is expected within a
    Student interval around that of k, narrower by sqrt(1 - k / total) as the k are among them.
    """
    count = len(p)
    top = p.mean(dim=0).argmax(dim=1)
    of_top = p[:, torch.arange(p.shape[1], device=p.device), top].double()
    mean, spread = of_top.mean(dim=0), of_top.std(dim=0)
    quantile = student.ppf((1 + SETTLED_LEVEL) / 2, count - 1)
    half = quantile * spread * (1 / count - 1 / total) ** 0.5
    c = _confidence(mean)
    away = torch.stack([_confidence(mean - half) - c, _confidence(mean + half) - c])
    return away.abs().amax(dim=0) <= TOLERANCE


def _confidence(p: Tensor) -> Tensor:
    """c of a mean softmax, see `measures.uncertainty.confidence_score`."""
    p = p.clamp(0, 1)
    return 1 - 2 * (p * (1 - p)).sqrt()
