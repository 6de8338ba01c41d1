"""Commands to copy from a page into a terminal."""

import shlex

from bnn_core.study.catalogue import DEFAULT_ROOT, cache_root


def command(*words: str) -> str:
    """`bnn` with these words, for a shell: it names the folder of studies if that is not the usual."""
    root = cache_root()
    usual = root == DEFAULT_ROOT or "--cache" in words
    return shlex.join(["bnn", *words, *([] if usual else ["--cache", str(root.absolute())])])
