"""What a reader of a prepared set should know: images left out, odd channels, copies."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING, count, have, of_all
from bnn_core.datasets.sources import file_columns


def quarantine_table(
    table: pd.DataFrame, reasons: Mapping[int, str], channels: Sequence[str]
) -> pd.DataFrame:
    """file, row and reason of each image that cannot be used. reasons: position -> reason."""
    columns = file_columns(channels, table)
    files = table[columns].fillna("").agg(" ".join, axis=1)
    positions = sorted(reasons)
    return pd.DataFrame(
        {
            "file": pd.Series([files.iloc[i] for i in positions], dtype=object),
            "row": pd.Series([int(table.index[i]) for i in positions], dtype="int64"),
            "reason": pd.Series([reasons[i] for i in positions], dtype=object),
        }
    )


def quarantine_notes(
    table: pd.DataFrame, result: pd.DataFrame, quarantine: pd.DataFrame, classes: Sequence[str]
) -> list[str]:
    """How many images of `table` are not in `result`, and why.

    Raises InputError when these are more than half, or a class has no image left.
    """
    bad = len(quarantine)
    if 2 * bad > len(table):
        first = quarantine.iloc[0]
        raise InputError(
            f"more than half of the images ({bad:,} of {len(table):,}) cannot be used"
            f"; row {first['row']}: {first['reason']}"
        )
    left = set(result["label"][result["role"] == "scored"])
    gone = [name for name in classes if name not in left]
    if gone:
        first = quarantine[(table["label"][quarantine["row"]] == gone[0]).to_numpy()].iloc[0]
        raise InputError(
            f"no readable image is left with the label {', '.join(gone)}; row {first['row']}: "
            f"{first['reason']}; repair the files, or remove the rows from the table"
        )
    if not bad:
        return []
    return [
        f"{bad:,} of {len(table):,} images could not be used and "
        f"{'was' if bad == 1 else 'were'} left out (quarantine.csv names file, row and "
        f"reason), the first: row {quarantine.iloc[0]['row']}, {quarantine.iloc[0]['reason']}"
    ]


def remark_notes(ids: Sequence[str], remarks: Sequence[Sequence[str]]) -> list[str]:
    """The remarks on the images (`decoding.Decoded`), each with how many images it is on.

    ids, remarks: one per image. Warnings come first.
    """
    totals = Counter(remark for several in remarks for remark in several)
    first = {}
    for image_id, several in zip(ids, remarks, strict=True):
        for remark in several:
            first.setdefault(remark, image_id)
    notes = []
    for remark, n in sorted(totals.items(), key=lambda item: not item[0].startswith(WARNING)):
        warning = WARNING if remark.startswith(WARNING) else ""
        which = (
            "every image" if n == len(ids) > 1 else f"{count(n, 'image')} (such as {first[remark]})"
        )
        notes.append(f"{warning}{which}: {remark.removeprefix(WARNING)}")
    return notes


def flat_channel_notes(
    ids: Sequence[str], flat: Sequence[Sequence[int]], channels: Sequence[str]
) -> list[str]:
    """A warning for each channel that holds one single value in some images.

    flat: per image, the numbers of such channels.
    """
    notes = []
    for number, channel in enumerate(channels):
        rows = [i for i, numbers in enumerate(flat) if number in numbers]
        if rows:
            notes.append(
                f"{WARNING}channel {channel} holds one single value (all black, or empty) in "
                f"{of_all(len(rows), len(ids), 'image')}, such as {ids[rows[0]]}"
            )
    return notes


def copy_notes(result: pd.DataFrame) -> list[str]:
    """Whether the same image is in two groups: it would be trained on and tested on."""
    groups = result.groupby("content_hash")["group"].nunique()
    shared = result["content_hash"].isin(groups.index[groups > 1])
    if not shared.any():
        return []
    first = result[shared].iloc[0]["image_id"]
    n = int(shared.sum())
    return [
        f"{count(n, 'image')} {have(n)} an exact copy in another group (such as "
        f"{first}): an image held out in a fold is also trained on in it, under another name"
    ]
