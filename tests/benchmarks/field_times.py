"""What does each step of reading a field cost? CPU milliseconds of one thread, one process.

python tests/benchmarks/field_times.py [--plain] [--nuclei 120]

A generated field of 1024 x 1280 x 3 uint16 (zlib TIFF). --plain: without the compiled kernels.
"""

import argparse
import io
import time

import numpy as np
import tifffile
from scipy import ndimage

from bnn_core.base.digests import short_digest
from bnn_core.images import contrast, quality
from bnn_core.images.channels import flat_channels, grey_as_colour
from bnn_core.images.decoding import decode_image
from bnn_core.images.rendering import channel_colours, thumbnail


def field(nuclei: int, size: tuple[int, int] = (1024, 1280)) -> np.ndarray:
    """(3, H, W) uint16: nuclei and two wider stains around them, on a background with shot noise."""
    rng = np.random.default_rng(0)
    centres = np.ones(size, bool)
    rows, columns = (rng.integers(20, side - 20, nuclei) for side in size)
    centres[rows, columns] = False
    away = ndimage.distance_transform_edt(centres)
    planes = [300 + 3000 * np.exp(-((away / radius) ** 4)) for radius in (16, 35, 45)]
    return rng.poisson(planes).astype(np.uint16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--nuclei", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    if args.plain:
        contrast.kernels = quality.kernels = lambda: None
    image = field(args.nuclei)
    file = io.BytesIO()
    tifffile.imwrite(file, image, compression="zlib", photometric="minisblack")
    data = file.getvalue()
    histogram = contrast.Histogram(3)
    histogram.add(image)
    limits, ceilings = histogram.limits(), histogram.ceilings()
    thresholds = histogram.foreground_thresholds()
    colours, working = (
        channel_colours(["dna", "tubulin", "actin"]),
        quality.working_size(image.shape[1:]),
    )
    steps = {
        "decoding": lambda: decode_image(data, "field"),
        "hash": lambda: short_digest(data),
        "intensities": lambda: histogram.add(image),
        "flat channels": lambda: (flat_channels(image), grey_as_colour(image)),
        "contrast, shrinking": lambda: contrast.shrunk(image, (128, 160), limits),
        "quality": lambda: quality.measure(image, thresholds, ceilings, 0),
        "thumbnail": lambda: thumbnail(contrast.shrunk(image, working, limits), colours),
    }
    costs = {}
    for name, step in steps.items():
        step()  # imports, buffers
        times = []
        for _ in range(args.repeats):
            start = time.thread_time()
            step()
            times.append(time.thread_time() - start)
        costs[name] = 1000 * min(times)
        print(f"| {name} | {costs[name]:.1f} |")
    total = sum(costs.values())
    print(f"| all | {total:.1f}: {costs['decoding'] / total:.0%} of the decoder's rate |")


if __name__ == "__main__":
    main()
