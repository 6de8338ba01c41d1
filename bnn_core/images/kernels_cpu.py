"""Kernels of fields (`compiled`), in a module of their own because importing numba takes a second.

Each gives the numbers of what it replaces to the last bit: the same sums in the same order.
"""

import numpy as np

from bnn_core.base.compiling import compiled


@compiled()
def shrink(image, black, span, top, small):
    """Means of whole blocks of (value - black) / span from 0 to top, as `contrast.stretch` and
    `contrast.area_resize`.

    image: (C, H, W) of integers; black, span: (C,) float32. Fills small (C, height, width) float32.
    """
    rows, columns = image.shape[1] // small.shape[1], image.shape[2] // small.shape[2]
    sums = np.empty(image.shape[2], np.float32)
    for c in range(image.shape[0]):
        low, width = black[c], span[c]
        for i in range(small.shape[1]):
            sums[:], out = 0, small[c, i]
            for r in range(i * rows, (i + 1) * rows):
                row = image[c, r]
                for j in range(len(row)):
                    value = (np.float32(row[j]) - low) / width
                    sums[j] += min(max(value, np.float32(0)), top)
            for j in range(len(sums)):
                sums[j] /= np.float32(rows)
            if columns == 2:  # several pixels at once
                for j in range(len(out)):
                    out[j] = (sums[2 * j] + sums[2 * j + 1]) / np.float32(2)
                continue
            for j in range(len(out)):
                total = sums[j * columns]
                for column in range(1, columns):
                    total += sums[j * columns + column]
                out[j] = total / np.float32(columns)


@compiled()
def smooth(plane, weights, between, out):
    """`ndimage.gaussian_filter` by 5 weights, of which the last three are given (the middle first).

    plane, between, out: (H, W) of one type, at least 2 pixels a side; between: a buffer.
    """
    height, width = plane.shape
    for i in range(height):
        above, top = max(i - 1, 0), i - 2 if i > 1 else 1 - i
        below, bottom = min(i + 1, height - 1), i + 2 if i < height - 2 else 2 * height - 3 - i
        for j in range(width):
            value = np.float64(plane[i, j]) * weights[0]
            value += (np.float64(plane[top, j]) + np.float64(plane[bottom, j])) * weights[2]
            value += (np.float64(plane[above, j]) + np.float64(plane[below, j])) * weights[1]
            between[i, j] = value
    edged = np.empty(width + 4)
    for i in range(height):
        edged[0], edged[1] = between[i, 1], between[i, 0]
        edged[width + 2], edged[width + 3] = between[i, width - 1], between[i, width - 2]
        for j in range(width):
            edged[j + 2] = between[i, j]
        for j in range(width):
            value = edged[j + 2] * weights[0]
            value += (edged[j] + edged[j + 4]) * weights[2]
            value += (edged[j + 1] + edged[j + 3]) * weights[1]
            out[i, j] = value


@compiled()
def laplacian(plane, out):
    """Neighbours less four times the pixel: plane (H, W) float32 -> out (H - 2, W - 2)."""
    four = np.float32(4)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            around = plane[i, j + 1] + plane[i + 2, j + 1] + plane[i + 1, j] + plane[i + 1, j + 2]
            out[i, j] = around - four * plane[i + 1, j + 1]


@compiled()
def distances(mask, objects, out, deepest):
    """`ndimage.distance_transform_edt` of a mask (H, W) that has a pixel of background, and its
    maximum in each object (numbered from 1; 0 is none).

    First along columns; then along the row, as far as a nearer one can be.
    """
    height, width = mask.shape
    vertical = np.empty((height, width), np.int64)
    far = height + width
    for j in range(width):
        vertical[0, j] = far if mask[0, j] else 0
    for i in range(1, height):
        for j in range(width):
            vertical[i, j] = min(vertical[i - 1, j] + 1, far) if mask[i, j] else 0
    for i in range(height - 2, -1, -1):
        for j in range(width):
            vertical[i, j] = min(vertical[i, j], vertical[i + 1, j] + 1)
    for i in range(height):
        for j in range(width):
            least, away = vertical[i, j] ** 2, 1
            while away * away < least:
                if j >= away:
                    least = min(least, vertical[i, j - away] ** 2 + away * away)
                if j + away < width:
                    least = min(least, vertical[i, j + away] ** 2 + away * away)
                away += 1
            out[i, j] = np.sqrt(np.float64(least))
            deepest[objects[i, j]] = max(deepest[objects[i, j]], out[i, j])


@compiled()
def peaks(values, mask, reach, out):
    """Fills out (H, W): the pixels of a mask (H, W) that no pixel at most `reach` rows and columns
    away exceeds, as `ndimage.maximum_filter` finds them."""
    height, width = values.shape
    for i in range(height):
        for j in range(width):
            value, highest = values[i, j], mask[i, j]
            # Nearly every pixel has a higher neighbour in its row.
            if highest and j > 0 and values[i, j - 1] > value:
                highest = False
            if highest and j < width - 1 and values[i, j + 1] > value:
                highest = False
            if highest:
                for y in range(max(i - reach, 0), min(i + reach + 1, height)):
                    for x in range(max(j - reach, 0), min(j + reach + 1, width)):
                        if values[y, x] > value:
                            highest = False
                    if not highest:
                        break
            out[i, j] = highest


@compiled()
def add_counts(plane, counts):
    """Add to counts (65536,) how often each value occurs in a plane (H, W) of 8 or 16 bit."""
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            counts[plane[i, j]] += 1
