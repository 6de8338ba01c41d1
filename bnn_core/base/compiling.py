"""numba's compiler for the kernels of images and networks. Imported by these alone: it takes a second."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(**options: Any) -> Callable[[Callable], Callable]:
    """Compile a function that leaves the interpreter to other threads. What is compiled is kept on
    disk; where no folder can be written (a read-only installation without a home), it is compiled in
    every process. options: of `numba.njit`."""

    def compile_it(function: Callable) -> Callable:
        try:
            return njit(cache=True, nogil=True, **options)(function)
        except RuntimeError:  # numba finds no folder
            return njit(nogil=True, **options)(function)

    return compile_it
