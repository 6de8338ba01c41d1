"""Bayesian neural networks for cellular images: train, sample, summarise, and doubt the labels.

From Python, `import bnn_core as bnn` gives the names in `__all__`; they are stable, and each is
imported when it is first used. Errors that a user can correct are `bnn.InputError`.
"""

from importlib import import_module

__version__ = "0.1.0"

#: Name -> the module that holds it.
_HOME = {
    "InputError": "base.errors",
    "Study": "study.folder",
    "evaluate": "study.metrics",
    "export_flagged": "review.exporting",
    "import_predictions": "recipes.imports",
    "list_studies": "study.catalogue",
    "open_study": "study.folder",
    "rank_suspects": "suspects.ranking",
    "study_from_arrays": "recipes.arrays",
    "study_from_features": "recipes.feature_study",
    "study_from_plate": "recipes.plate_study",
    "summarise": "measures.uncertainty",
    "write_report": "figures.report",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if not isinstance(value, type):
        value = import_module(f"{__name__}.base.keywords").naming_keywords(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
