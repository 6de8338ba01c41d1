"""Numbers that products and convolutions use: float32, or bfloat16 where the processor has it."""

import sys
from functools import cache

import torch


def autocast(device: str | torch.device, precision: str) -> torch.autocast:
    """Context in which products and convolutions use `precision`; weights stay float32.

    bfloat16 on a processor without it would be 11 to 17 times slower than float32, so float32 is
    used there, and one line on stderr says so.
    """
    kind = torch.device(device).type
    wanted = precision == "bfloat16"
    # Without the cache of casts a training step can be captured as a CUDA graph.
    return torch.autocast(
        kind, torch.bfloat16, enabled=wanted and _has_bfloat16(kind), cache_enabled=False
    )


@cache
def _has_bfloat16(kind: str) -> bool:
    if kind == "cuda":
        has = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if not has:
        print(
            f"bfloat16 is not available on this {'GPU' if kind == 'cuda' else 'processor'}; "
            "float32 is used",
            file=sys.stderr,
        )
    return has
