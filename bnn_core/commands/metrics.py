"""How good are the methods of a study? Accuracy, calibration and ranking, with 95 % intervals.

One line per method and level; with --json all figures for other programs:
{"methods": {"vi": {"image": {"n": 1196, "accuracy": {"value": 0.74, "low": 0.65, "high": 0.83}}}}}

  bnn metrics demo
  bnn metrics demo --json > metrics.json
"""

import argparse
import json
import math

from bnn_core.base.methods import method_of
from bnn_core.commands.flags import add_cache_flag, add_json_flag, add_study_argument
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import open_study
from bnn_core.study.metrics import Estimate, study_metrics

_HEADS = ("method", "level", "n", "accuracy, %", "NLL", "Brier", "ECE", "AURC", "AUROC of errors")
_SHOWN = ("nll", "brier", "ece", "aurc", "auroc")


def arguments(parser: argparse.ArgumentParser) -> None:
    add_study_argument(parser)
    add_cache_flag(parser)
    add_json_flag(parser)


def run(args: argparse.Namespace) -> str:
    study = open_study(args.study, cache_root(args.cache))
    metrics = study_metrics(study)
    if args.json:
        methods = {
            method: {level: _as_json(figures) for level, figures in levels.items()}
            for method, levels in metrics.items()
        }
        return json.dumps({"study": study.name, "methods": methods}, indent=1)
    lines = [
        [method_of(method).short, level, *_as_text(figures)]
        for method, levels in metrics.items()
        for level, figures in levels.items()
    ]
    if not lines:
        return f"study {study.name} has no image with a label that counts"
    widths = [max(map(len, column)) for column in zip(_HEADS, *lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [_HEADS, *lines]
    )


def _as_json(figures: dict[str, Estimate]) -> dict[str, object]:
    """n, and each figure as value, low and high; null where there is none."""
    return {
        "n": figures["accuracy"].n,
        **{
            name: {
                part: None if math.isnan(number) else number
                for part, number in (("value", f.value), ("low", f.low), ("high", f.high))
            }
            for name, f in figures.items()
        },
    }


def _as_text(figures: dict[str, Estimate]) -> list[str]:
    accuracy = figures["accuracy"]
    return [
        f"{accuracy.n:,}",
        f"{100 * accuracy.value:.1f} [{100 * accuracy.low:.1f}, {100 * accuracy.high:.1f}]",
        *(_number(figures[name]) for name in _SHOWN),
    ]


def _number(figure: Estimate) -> str:
    if math.isnan(figure.value):
        return "–"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
