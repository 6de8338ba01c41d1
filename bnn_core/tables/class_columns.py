"""Finding the class probabilities in somebody's table."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import did_you_mean, listed
from bnn_core.tables.aliases import CLASS_PROBABILITY, PROBABILITY_WORDS, plain_name
from bnn_core.tables.reading import looks_numeric, rows_text
from bnn_core.tables.supposed_columns import (
    named_within,
    numbered,
    summing_to_one,
    sums_to_one,
)
from bnn_core.tables.values import name_key

_WHOLE_NUMBER = re.compile(r"[+-]?\d+(?:\.0+)?")
_LOGIT = re.compile(r"logits?|mean_logits?", re.I)
#: Columns of a summary, and of statistics, that begin like a class probability but are none.
_RESERVED = re.compile(
    r"p[ _.-](?:label|value|val)|class[ _.-](?:ids?|index|labels?|names?)(?:[ _.-]?\d+)?", re.I
)
#: What is told of probabilities beside them.
_STATISTIC = re.compile(
    r"(?:.*[\W_])?(?:max|min|sum|total|mean|avg|median|std|sd|sem|var|entropy|margin|lower|upper|low"
    r"|high|lo|hi|lwr|upr|ci(?:_?\d+)?|q?\d+%?_?(?:ci|quantile)|range|gap|top\d*|best|second)",
    re.I,
)
PREDICTED = (
    "predicted",
    "predicted_label",
    "predicted_class",
    "predicted_moa",
    "prediction",
    "predicted_name",
    "pred",
    "pred_label",
    "pred_class",
    "y_pred",
    "ypred",
    "label_pred",
)


@dataclass(frozen=True)
class ClassColumns:
    """The columns that hold one value per class, in table order, and their names for the classes.

    note: a sentence on columns that were only supposed to be class probabilities, or "".
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    logits: bool
    note: str = ""


def predicted_column(columns: Sequence[str]) -> str | None:
    """The column of predicted class names, if one has a usual name."""
    plain = {plain_name(c): c for c in reversed(columns)}
    return next((plain[name] for name in PREDICTED if name in plain), None)


def find_class_columns(
    table: pd.DataFrame,
    candidates: Sequence[str],
    known: Collection[str],
    prefix: str | None = None,
    suppose: bool = False,
) -> ClassColumns | None:
    """The columns of class probabilities (or logits) among `candidates`.

    known: class names that occur in the label and predicted columns. Looked for: columns beginning
    with `prefix` if given; else with a usual word (softmax_0, p_Eg5, P (label=x), logit_3 ...); else
    columns that are called as the classes are, or hold their names ("x_prob", "Forest (x)"). With
    `suppose` also columns called 0, 1, 2 ..., and neighbours that sum to 1 in every row. None when
    there are none. Raises InputError when a given prefix fits fewer than two columns, when several
    sets fit, and when there is no set but for columns of known classes that hold text.
    """
    if prefix is not None:
        fitting = tuple(c for c in table.columns if str(c).startswith(prefix) and c != prefix)
        if len(fitting) < 2:
            raise InputError(
                f"--prefix {prefix}: {len(fitting)} columns begin with it, and at least two are "
                f"needed{did_you_mean(prefix, _beginnings(table.columns))}; there are "
                f"{', '.join(map(str, table.columns[:20]))}"
            )
        names = _without_joint([c[len(prefix) :].strip() for c in fitting], prefix)
        return ClassColumns(fitting, names, bool(_LOGIT.fullmatch(prefix.rstrip("_ .:-"))))
    keys = {name_key(name) for name in known}
    sets: dict[str, list[tuple[str, str]]] = {}
    text: dict[str, tuple[str, str]] = {}
    for column, split in _split_all(candidates).items():
        if looks_numeric(table[column]):
            sets.setdefault(split[0], []).append((column, split[1]))
        elif name_key(split[1]) in keys:
            text.setdefault(split[0], (column, split[1]))
    sets = {head: pairs for head, pairs in sets.items() if len(pairs) > 1 and head not in text}
    probabilities = {h: pairs for h, pairs in sets.items() if CLASS_PROBABILITY.fullmatch(h)}
    chosen = probabilities or sets
    if len(chosen) > 1:  # columns of 0 and 1 among others mark the true class
        chosen = {
            h: pairs for h, pairs in chosen.items() if not _marks_truth(table, pairs)
        } or chosen
    if len(chosen) > 1:
        heads = " or ".join(f"{pairs[0][0]}..." for pairs in chosen.values())
        raise InputError(
            f"several sets of columns could be the class probabilities ({heads}); choose one with "
            "--prefix"
        )
    for pairs in chosen.values():
        pairs, note = _without_statistics(table, pairs)
        return ClassColumns(
            tuple(c for c, _ in pairs), tuple(n for _, n in pairs), not probabilities, note
        )
    bare = tuple(c for c in candidates if name_key(c) in keys and looks_numeric(table[c]))
    if len(bare) > 1:
        whole = summing_to_one(table, candidates)  # also of classes that no label names
        columns = whole.columns if whole and set(bare) < set(whole.columns) else bare
        return ClassColumns(columns, columns, False)
    for column, name in text.values():
        _refuse_text(table[column], name)
    supposed = named_within(table, candidates, known)
    if supposed is None and suppose:
        supposed = numbered(table, candidates) or summing_to_one(table, candidates)
    if supposed is None:
        return None
    return ClassColumns(supposed.columns, supposed.names, False, supposed.note)


def split_class_column(column: str) -> tuple[str, str] | None:
    """The usual word that a column of probabilities begins with and the class; None without one."""
    parts = None if _RESERVED.fullmatch(column) else _split(column)
    return (
        None if parts is None or not CLASS_PROBABILITY.fullmatch(parts[0]) else (parts[0], parts[2])
    )


def marks_of(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """(N, C) float64 of columns of marks: numbers, or true and false in words; nan for all else."""
    words = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
    marks = np.empty((len(table), len(columns)))
    for j, column in enumerate(columns):
        values = table[column]
        numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
        from_words = values.astype("str").str.strip().str.lower().map(words)
        marks[:, j] = numbers.where(numbers.notna(), from_words)
    return marks


def is_one_hot(marks: np.ndarray) -> bool:
    """Whether values (N, C) are 0 and 1 with at most one 1 per row, and any 1 at all."""
    marks = np.nan_to_num(marks)
    return bool(np.isin(marks, (0, 1)).all() and (marks.sum(axis=1) <= 1).all() and marks.any())


def _without_statistics(
    table: pd.DataFrame, pairs: list[tuple[str, str]]
) -> tuple[list[tuple[str, str]], str]:
    """The columns and their classes without p_max, p_sum, p_a_lower and the like where only the others
    sum to 1, and a note."""
    kept = [(column, name) for column, name in pairs if not _STATISTIC.fullmatch(name)]
    if not 1 < len(kept) < len(pairs):
        return pairs, ""
    if sums_to_one(table, [c for c, _ in pairs]) or not sums_to_one(table, [c for c, _ in kept]):
        return pairs, ""
    others = [repr(c) for c, name in pairs if (c, name) not in kept]
    return kept, f"{listed(others)} are not read as classes: the other columns sum to 1."


def _marks_truth(table: pd.DataFrame, pairs: list[tuple[str, str]]) -> bool:
    return is_one_hot(marks_of(table, [column for column, _ in pairs]))


def _refuse_text(values: pd.Series, name: str) -> None:
    """Name the first cell that keeps a column from being the numbers of class `name`."""
    cells = values.astype("str").str.strip()
    row = (pd.to_numeric(cells, errors="coerce").isna() & values.notna() & (cells != "")).idxmax()
    held = "" if pd.isna(values[row]) else values[row]
    percent = str(held).strip().endswith("%")
    raise InputError(
        f"{rows_text([row])}: column '{values.name}' holds '{held}' in place of a number for the class "
        f"'{name}'; "
        + (
            "save the percentages as numbers from 0 to 1, without the sign"
            if percent
            else "correct it (decimal points, no text), or rename the column"
        )
    )


def _split_all(columns: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Column -> (word, class name), of the columns that begin with a usual word.

    The hyphen of "prob-1" is a sign where other columns of that word have another joint, or none.
    """
    split = {
        c: parts for c in columns if not _RESERVED.fullmatch(str(c)) and (parts := _split(str(c)))
    }
    other = {head for head, joint, _ in split.values() if joint != "-"}
    return {
        c: (head, f"-{name}" if joint == "-" and head in other and name.isdecimal() else name)
        for c, (head, joint, name) in split.items()
    }


def _split(column: str) -> tuple[str, str, str] | None:
    """'softmax_7' -> ('softmax', '_', '7'); 'prob3' -> ('prob', '', '3'); None for other columns.

    Only one joint is taken off: the class of 'prob_-1' is '-1'.
    """
    words = rf"({PROBABILITY_WORDS}|logits?|mean_logits?)"
    match = (
        re.fullmatch(rf"{words}()\[(.+)\]", column, re.I)
        or re.fullmatch(rf"{words}()\s*\((?:\w[\w ]*=)?\s*(.+?)\s*\)", column, re.I)
        or re.fullmatch(rf"{words}(\s*(?:_+|[.:])\s*|\s+-\s+|-|\s+)(?:class=)?(\S.*)", column, re.I)
        or re.fullmatch(rf"{words}()([+\N{{MINUS SIGN}}]?\d+)", column, re.I)
    )
    return (match[1].lower(), match[2].strip(), match[3].strip()) if match else None


def _beginnings(columns: Sequence[str]) -> set[str]:
    """What columns begin with, up to their last sign that is no letter: what --prefix may mean."""
    heads = [re.match(r"(.*[\W_])", str(c)) for c in columns]
    return {head[1] for head in heads if head}


def _without_joint(names: list[str], prefix: str) -> tuple[str, ...]:
    """What follows a prefix, without the joint or closing bracket that all have."""
    if all(len(name) > 1 and name[0] == names[0][0] and name[0] in "_.:" for name in names):
        return tuple(name[1:].strip() for name in names)
    closing = {"[": "]", "(": ")"}.get(prefix[-1:], "")
    end = closing if all(name.endswith(closing) for name in names) else ""
    return tuple(name.removesuffix(end).strip() for name in names)
