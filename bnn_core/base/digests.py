"""Short digests: whether two contents are the same, and names of what was made from them."""

import hashlib

import numpy as np


def short_digest(*parts: bytes | np.ndarray) -> str:
    """16 hex digits (SHA-256) over the bytes of all parts, one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part) if isinstance(part, np.ndarray) else part)
    return digest.hexdigest()[:16]
