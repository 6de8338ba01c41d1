"""Flags of commands that train; one per field of TrainConfig."""

import argparse
from dataclasses import fields
from pathlib import Path

import torch

from bnn_core.base.errors import InputError
from bnn_core.base.methods import by_precedence
from bnn_core.commands.flags import add_cache_flag, whole_number
from bnn_core.networks.adaptive import AUTO
from bnn_core.networks.device import usable_device
from bnn_core.networks.settings import TrainConfig
from bnn_core.recipes.method_choice import Change, MethodChoice, Presets, choose_methods
from bnn_core.recipes.workers import Cluster, demand_cluster


def add_device_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:1 (default: auto)"
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=whole_number(1),
        default=1,
        help="CPU threads of each training; on a small or busy machine one is often fastest (default: 1)",
    )


def add_ray_flags(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        nargs="?",
        const="",
        help="run the parts on a Ray cluster, HOST:PORT of its head (default: $RAY_ADDRESS, else this "
        "machine); all machines have this program and see images and studies under the same paths",
    )
    parser.add_argument(
        "--ray-gpus",
        metavar="SHARE",
        type=float,
        default=0.0,
        help="graphics cards for each part on the cluster, such as 0.5: then two share one "
        "(default: none)",
    )


def chosen_cluster(args: argparse.Namespace) -> Cluster | None:
    """The cluster of --ray; None without it. InputError where it does not answer."""
    if args.ray is None:
        if args.ray_gpus:
            raise InputError("--ray-gpus works only with --ray")
        return None
    cluster = Cluster(args.ray, args.ray_gpus)
    demand_cluster(cluster)
    return cluster


def add_study_flags(parser: argparse.ArgumentParser, name: str = "the kind's name") -> None:
    """The flags of every `bnn study KIND`. name: what its folder is called without --out."""
    add_cache_flag(parser)
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help=f"the study's folder (default: {name} under --cache, which the app lists)",
    )
    add_device_flags(parser)
    parser.add_argument(
        "--num-samples",
        metavar="T",
        type=_number_of_networks,
        default=100,
        help="networks drawn for prediction; auto: 20, 50 or 100, as many as an image needs for "
        "its confidence to be within 0.005 of that of 100, for 99 %% of images (default: 100)",
    )
    parser.add_argument(
        "--sample-seed",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="seed of the drawn networks (default: 0)",
    )
    parser.add_argument("--title", help="name shown in the app")
    parser.add_argument("--force", action="store_true", help="replace a study that exists")
    parser.add_argument(
        "--restart",
        action="store_true",
        help="delete what an interrupted run left and begin again",
    )


def _number_of_networks(text: str) -> int | str:
    """A value of --num-samples."""
    return text if text == AUTO else whole_number(1)(text)


def add_train_flags(
    parser: argparse.ArgumentParser, presets: Presets, methods: str = "vi,standard"
) -> None:
    """--methods (`methods` by default), --preset, and a flag per field of TrainConfig: VALUE, or
    METHOD=VALUE for one."""
    known = list(next(iter(presets.values())))
    parser.add_argument(
        "--methods",
        metavar="NAME,NAME",
        default=methods,
        help=f"methods to train and compare, in any order: {', '.join(known)}; filters, rankings, "
        f"report and export read the first of {', '.join(by_precedence(known))} "
        f"(default: {methods})",
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
        "(--epochs standard=12 --epochs vi=24); without it the preset decides.",
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


def chosen_device(args: argparse.Namespace) -> str:
    """The torch device of --device; sets --threads."""
    torch.set_num_threads(args.threads)
    return usable_device(args.device)


def chosen_methods(args: argparse.Namespace, presets: Presets) -> MethodChoice:
    """--methods and --preset with the training flags applied, on --device; sets --threads."""
    return choose_methods(
        presets,
        methods=[name.strip() for name in args.methods.split(",") if name.strip()],
        preset=args.preset,
        changes=[
            _change(f.name, text)
            for f in fields(TrainConfig)
            for text in getattr(args, f"train_{f.name}", [])
        ],
        num_samples=args.num_samples,
        sample_seed=args.sample_seed,
        device=chosen_device(args),
    )


def _change(setting: str, text: str) -> Change:
    method, _, value = text.rpartition("=")
    return Change(setting, value, method or None)
