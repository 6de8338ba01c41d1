"""A study in words: one line for the command that made it."""

from pathlib import Path

from bnn_core.study import METHOD_NAMES, Study, open_study


def one_line(path: Path) -> str:
    """Where a study is, its size, and the accuracy of each method with its n."""
    return describe(open_study(path))


def describe(study: Study) -> str:
    """One line of a study's contents."""
    parts = []
    for method in study.methods:
        image = study.meta["metrics"].get(method, {}).get("image")
        if image:
            parts.append(f"{METHOD_NAMES.get(method, method)} {image['accuracy']:.2%}")
    n = study.meta["roles"]["scored"]
    accuracy = f", right on {n:,} scored images: {'; '.join(parts)}" if parts else ""
    return f"{study.path}: {study.meta['title']}, {study.meta['rows']:,} images{accuracy}"
