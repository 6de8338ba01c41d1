"""Image files and pixels: decoding, contrast, rendering, quality, artificial faults."""
