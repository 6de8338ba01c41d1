"""Flags that several commands share. Imports no torch, so that small commands start at once."""

import argparse
import math
from pathlib import Path

from bnn_core.base.errors import InputError
from bnn_core.study.catalogue import cache_root


def whole_number(minimum: int):
    """An argparse type: a whole number of at least `minimum`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{value} is too small; give at least {minimum}")
        return value

    return parse


def micrometres(text: str) -> float:
    """An argparse type: a length above 0 and below a metre, neither nan nor inf."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0, such as 0.65")
    return value


def intensity_range(text: str) -> tuple[float, float]:
    """An argparse type: two numbers LOW,HIGH, the second larger."""
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no range; give two numbers LOW,HIGH, LOW below HIGH, such as 0,4095"
        )
    return low, high


def add_study_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="name under the cache, or a folder")


def add_cache_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        metavar="DIR",
        type=Path,
        help="folder of studies (default: $BNN_CACHE, else cache/ beside app.py)",
    )


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for other programs")


def read_map(pairs: list[str]) -> dict[str, str]:
    """NAME=COLUMN pairs of --map as a dict; InputError for a pair without '='."""
    columns = {}
    for text in pairs:
        name, equals, column = text.partition("=")
        if not equals:
            raise InputError(f"--map {text} is not NAME=COLUMN, such as --map compound=Drug")
        columns[name.strip()] = column.strip()
    return columns


def out_folder(args: argparse.Namespace, name: str) -> Path:
    """--out, else the folder `name` under the cache root."""
    return args.out or cache_root(args.cache) / name
