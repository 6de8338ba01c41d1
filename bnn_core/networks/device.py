"""Where networks are computed: the processor or a graphics card."""

import torch

from bnn_core.base.errors import InputError


def usable_device(name: str = "auto") -> str:
    """The torch device of a name: "auto" (a graphics card where there is one), "cpu", "cuda:1".

    Raises InputError where this machine does not have it.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"--device {name} cannot be used here ({str(error).splitlines()[0]}); use --device cpu "
            "or auto"
        ) from error
    return name
