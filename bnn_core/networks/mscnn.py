"""The multi-scale convolutional network for images of cells (Godinez et al. 2017)."""

from collections.abc import Callable
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bnn_core.networks.relu_norm import relu_norm

#: Feature maps of pathways 1 to 6; pathway k sees the image max-pooled by 2**(k-1).
WIDTHS = (16, 16, 16, 32, 32, 32)

#: A pathway fits when its pooled image is at least this many pixels on the shorter side.
SMALLEST_SIDE = 8


def pathways_that_fit(image_size: tuple[int, int]) -> int:
    """How many pathways, 1 to 6, an image of (rows, columns) has room for.

    Six from 256 pixels on, five from 128, four from 64. The last pathway's image then has at least
    8 pixels on a side, so that its 5x5 kernels mostly see image, not padding.
    """
    fit = sum(min(image_size) >= SMALLEST_SIDE * 2**k for k in range(len(WIDTHS)))
    return max(fit, 1)


class MultiScaleCNN(nn.Module):
    """Multi-scale CNN as in Deodato et al. (2020), for any image size and number of channels.

    Pathway k max-pools the input by 2**(k-1), then three times convolves 5x5, ReLU, BatchNorm, then
    max-pools down to one grid that all pathways share; their maps are concatenated, mixed by a 1x1
    convolution to `head_width`, ReLU, averaged over the grid, BatchNorm, linear. With all six
    pathways and 12 classes: 364,012 weights and 2,912 of BatchNorm.

    Pools round up, so a border that does not fill a window still counts (the window is cut off, not
    padded with zeros) and every size gives matching grids: ceil(side / 2**pathways). Nothing in the
    weights depends on the image size; the same network takes crops in training and whole fields in
    prediction.

    Parameters
    ----------
    kind: the layer kind, `LayerKind(bayesian)` (anything with `conv` and `linear`)
    image_size: (rows, columns), chooses the number of pathways where `pathways` is None
    pathways: 1 to 6

    Input (B, in_channels, rows, columns); output logits (B, num_classes).
    """

    def __init__(
        self,
        kind,
        in_channels: int = 3,
        num_classes: int = 12,
        image_size: tuple[int, int] = (1024, 1280),
        pathways: int | None = None,
        head_width: int = 1024,
    ):
        super().__init__()
        pathways = pathways_that_fit(image_size) if pathways is None else pathways
        if not 1 <= pathways <= len(WIDTHS):
            raise ValueError(f"pathways is 1 to {len(WIDTHS)}, not {pathways}")
        widths = WIDTHS[:pathways]
        self.pathways = nn.ModuleList(_pathway(kind, in_channels, width) for width in widths)
        self.mix = kind.conv(sum(widths), head_width, 1)
        self.norm = nn.BatchNorm1d(head_width)
        self.head = kind.linear(head_width, num_classes)

    def grid(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(rows, columns) of the grid on which the pathways of an image of this size meet."""
        step = 2 ** len(self.pathways)
        return ceil(image_size[0] / step), ceil(image_size[1] / step)

    def features(self, x: Tensor, see: Callable[[Tensor], None] | None = None) -> Tensor:
        """Penultimate layer (B, head_width). see: gets the maps of every convolution of the pathways,
        (B, K, rows, columns)."""
        # channels_last: up to 1.2 times as fast with these few maps, the same numbers.
        x = x.contiguous(memory_format=torch.channels_last)
        pooled = []
        for k, pathway in enumerate(self.pathways):
            y = x
            for i in range(0, len(pathway), 3):
                y = relu_norm(pathway[i](y), pathway[i + 2])
                if see:
                    see(y)
            pooled.append(pool(y, 2 ** (len(self.pathways) - k)))
            x = pool(x, 2)
        mixed = F.relu(self.mix(torch.cat(pooled, dim=1)))
        # One axis of cells: its gradient takes a third of the time of that by rows and columns.
        return self.norm(mixed.permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def _pathway(kind, in_channels: int, width: int) -> nn.Sequential:
    layers = []
    for channels in (in_channels, width, width):
        layers += [
            kind.conv(channels, width, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.BatchNorm2d(width),
        ]
    return nn.Sequential(*layers)


def pool(x: Tensor, size: int) -> Tensor:
    """Max-pool by `size`, the last windows cut off at the border. Twice by 2 is once by 4."""
    if size == 2 and not x.requires_grad and not (x.shape[2] % 2 or x.shape[3] % 2):
        rows = torch.maximum(x[..., 0::2, :], x[..., 1::2, :])  # a tenth of max_pool2d's time
        return torch.maximum(rows[..., 0::2], rows[..., 1::2])
    return F.max_pool2d(x, size, ceil_mode=True)
