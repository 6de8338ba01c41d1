"""Numbers that products and convolutions use: float32, or bfloat16 where the processor has it."""

import sys
from functools import cache

import torch


def usable_precision(name: str, device: str | torch.device) -> str:
    """A precision of `settings.PRECISIONS`; "auto" is bfloat16 where the device has it, else float32."""
    if name != "auto":
        return name
    return "bfloat16" if _has_bfloat16(torch.device(device).type) else "float32"


def autocast(device: str | torch.device, precision: str) -> torch.autocast:
    """Context in which products and convolutions use `precision`; weights stay float32.

    bfloat16 on a processor without it would be 11 to 17 times slower than float32, so float32 is
    used there, and one line on stderr says so.
    """
    kind = torch.device(device).type
    wanted = usable_precision(precision, kind) == "bfloat16"
    if wanted and not _has_bfloat16(kind):
        wanted = False
        _say_lacking(kind)
    # Without the cache of casts a training step can be captured as a CUDA graph.
    return torch.autocast(kind, torch.bfloat16, enabled=wanted, cache_enabled=False)


@cache
def _has_bfloat16(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@cache
def _say_lacking(kind: str) -> None:
    print(
        f"bfloat16 is not available on this {'GPU' if kind == 'cuda' else 'processor'}; "
        "float32 is used",
        file=sys.stderr,
    )
