"""Flags of commands that train; one per field of TrainConfig."""

import argparse
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import torch

from bnn_core.base.errors import InputError
from bnn_core.base.methods import METHODS, by_precedence
from bnn_core.commands.flags import add_cache_flag, whole_number
from bnn_core.networks.methods import training_order
from bnn_core.networks.settings import TrainConfig


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)"
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=whole_number(1),
        default=1,
        help="CPU threads; on a small or busy machine one is often fastest (default: 1)",
    )


def add_study_flags(parser: argparse.ArgumentParser, name: str = "the kind's name") -> None:
    """What every `bnn study KIND` takes. name: what its folder is called without --out."""
    add_cache_flag(parser)
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help=f"the study's folder (default: {name} under --cache)",
    )
    add_device_flags(parser)
    parser.add_argument(
        "--num-samples",
        metavar="T",
        type=whole_number(1),
        default=100,
        help="networks drawn for prediction (default: 100)",
    )
    parser.add_argument(
        "--sample-seed",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="seed of the drawn networks (default: 0)",
    )
    parser.add_argument("--title", help="name shown in the app")
    parser.add_argument("--force", action="store_true", help="re-make a study that exists already")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="throw away what an interrupted run left and begin anew",
    )


def add_train_flags(parser: argparse.ArgumentParser, presets: Mapping[str, Mapping]) -> None:
    """--methods, --preset, and one flag per field of TrainConfig: VALUE, or METHOD=VALUE for one
    method.
    """
    known = list(next(iter(presets.values())))
    parser.add_argument(
        "--methods",
        metavar="NAME,NAME",
        default="vi,standard",
        help=f"what to train and compare, of {', '.join(known)}, in any order; filters, rankings, "
        f"report and export read the first of {', '.join(by_precedence(known))} "
        "(default: vi,standard)",
    )
    parser.add_argument(
        "--preset",
        choices=list(presets),
        default="default",
        help="settings to start from (default: default)",
    )
    group = parser.add_argument_group(
        "training",
        "Each takes VALUE for all methods or METHOD=VALUE for one "
        "(--epochs standard=12 --epochs vi=24); what is not given is the preset's.",
    )
    for f in fields(TrainConfig):
        if f.name == "bayesian":
            continue
        choices = f.metadata["choices"]
        group.add_argument(
            "--" + f.name.replace("_", "-"),
            action="append",
            default=[],
            dest=f"train_{f.name}",
            metavar="{" + ",".join(choices) + "}" if choices else f.name.split("_")[-1].upper(),
            help=f.metadata["help"],
        )


def train_configs(
    args: argparse.Namespace, presets: Mapping[str, Mapping[str, TrainConfig]]
) -> dict[str, TrainConfig]:
    """The preset's settings per method with the training flags applied."""
    preset = presets[args.preset]
    methods = _methods(args.methods, list(preset))
    changes: dict[str, dict] = {method: {} for method in methods}
    for f in fields(TrainConfig):
        for text in getattr(args, f"train_{f.name}", []):
            flag = f"--{f.name.replace('_', '-')} {text}"
            method, equals, value = text.rpartition("=")
            for name in _takers(
                flag, method if equals else None, value, f.metadata["only"], methods
            ):
                changes[name][f.name] = _parse(f, value)
    configs = {method: replace(preset[method], **changes[method]) for method in methods}
    # What is fitted to the standard network has the standard network's settings.
    configs = {
        method: configs.get("standard", config) if METHODS[method].needs_standard else config
        for method, config in configs.items()
    }
    training_order(configs)  # refuses what cannot be trained, before any image is read
    return configs


def _methods(text: str, known: list[str]) -> list[str]:
    """The methods of --methods."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in known:
            raise InputError(f"--methods {text}: no method '{name}'; choose of {', '.join(known)}")
    if not names:
        raise InputError(f"--methods '{text}' names none; choose of {', '.join(known)}")
    return names


def _takers(
    flag: str, method: str | None, value: str, only: str | None, methods: list[str]
) -> list[str]:
    """The methods that a training flag changes."""
    takers = [m for m in methods if not METHODS[m].needs_standard and only in (None, m)]
    if method is None and not takers:
        raise InputError(f"{flag} is a setting of {only} alone; add {only} to --methods")
    if method is None or method in takers:
        return takers if method is None else [method]
    if method not in methods:
        raise InputError(f"{flag}: no method '{method}'; choose one of {', '.join(methods)}")
    if METHODS[method].needs_standard:
        raise InputError(
            f"{flag}: {method} is fitted to the standard network and trains none; "
            f"give {flag.split()[0]} standard={value}"
        )
    raise InputError(f"{flag} is a setting of {only} alone")


def use_device(args: argparse.Namespace) -> str:
    """The torch device of --device, and --threads set; InputError where it is not there."""
    torch.set_num_threads(args.threads)
    if args.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=args.device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"--device {args.device} is not usable here "
            f"({str(error).splitlines()[0]}); use --device cpu or auto"
        ) from error
    return args.device


def _parse(f, text: str):
    kind = {"int": int, "float": float, "str": str}[
        f.type if isinstance(f.type, str) else f.type.__name__
    ]
    try:
        return kind(text)
    except ValueError:
        raise InputError(
            f"--{f.name.replace('_', '-')} {text!r} is not "
            f"{'a whole number' if kind is int else 'a number'}"
        ) from None
