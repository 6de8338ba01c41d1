"""Tables from what `posterior.py` left: figures of every predictor, and differences to a control.

  python tests/benchmarks/posterior_table.py OUT [--against swa1.5-f.3] [--stages report,fields]

Temperatures are cross-fitted: that of a fold has the lowest Brier score on the other folds of the
same screen and seed. Differences are paired by compound; standard errors count compounds.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

FLOOR = np.log(1e-7)
GRID = np.exp(np.linspace(np.log(0.2), np.log(5), 49))


def scaled(log_p: np.ndarray, tau: float) -> np.ndarray:
    """Log probabilities, raised to 1 / tau and normalised."""
    return log_softmax(np.maximum(log_p, FLOOR) / tau, axis=-1)


def temperatures(log_p: np.ndarray, where: dict) -> np.ndarray:
    """(M,) of each network: the best by Brier score for the other folds of its set and seed.

    1 where there is one fold only (MNIST).
    """
    m = len(log_p)
    if len(set(where["fold"])) == 1:
        return np.ones(m)
    sums = np.zeros((m, len(GRID)))
    known = (where["kind"] == "known") & (where["targets"] >= 0)
    for i in range(m):
        rows = known[i]
        p_all, y = log_p[i, rows].astype(np.float64), where["targets"][i, rows]
        for k, tau in enumerate(GRID):
            p = np.exp(scaled(p_all, tau))
            sums[i, k] = (p**2).sum() - 2 * p[np.arange(len(y)), y].sum() + len(y)
    out = np.ones(m)
    for i in range(m):
        same = (where["dataset"] == where["dataset"][i]) & (where["seed"] == where["seed"][i])
        same[i] = False
        if same.any():
            out[i] = GRID[sums[same].sum(axis=0).argmin()]
    return out


def calibrated(log_p: np.ndarray, where: dict) -> np.ndarray:
    """Log probabilities (M, R, C) under the cross-fitted temperatures."""
    tau = temperatures(log_p, where)
    return np.stack([scaled(log_p[i].astype(np.float64), t) for i, t in enumerate(tau)])


def crossfitted_nll(log_p: np.ndarray, where: dict) -> float:
    """Mean NLL of known images after temperature."""
    known = (where["kind"] == "known") & (where["targets"] >= 0)
    log_p = calibrated(log_p, where)
    chosen = np.take_along_axis(log_p, where["targets"].clip(0)[..., None], axis=-1)[..., 0]
    return float(-np.maximum(chosen[known], FLOOR).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--against", default="swa1.5-f.3")
    parser.add_argument("--stages", default="select,report,fields,mnist")
    args = parser.parse_args()
    for stage in args.stages.split(","):
        path = args.out / f"{stage}.npz"
        if path.is_file():
            print(f"\n== {stage}")
            with np.load(path) as arrays:
                print_table(
                    dict(arrays), json.loads((args.out / f"{stage}.json").read_text()), args
                )


def print_table(arrays: dict, notes: dict, args: argparse.Namespace) -> None:
    where = {k.removeprefix("where/"): v for k, v in arrays.items() if k.startswith("where/")}
    labels = [name for name in notes["predictors"] if not np.isnan(arrays[f"{name}/mean"]).any()]
    rows = {}
    for label in labels:
        raw = arrays[f"{label}/mean"].astype(np.float64)
        rows[label] = (figures(raw, where), figures(calibrated(raw, where), where))
    base = rows.get(args.against)
    print(f"{'predictor':28s} cost  acc   NLL    Brier  ECE   | T: NLL    Brier  ECE   AUROC AURC   "
          "unseen damaged | T: NLL - control   Brier - control")  # fmt: skip
    for label in labels:
        plain, warm = rows[label]
        note = notes["predictors"][label]
        line = (
            f"{label:28s} {note['cost']:4.1f} {plain['accuracy']:.3f} {plain['nll']:.4f} "
            f"{plain['brier']:.4f} {plain['ece']:.3f} | {warm['nll']:.4f} {warm['brier']:.4f} "
            f"{warm['ece']:.3f} {warm['auroc']:.3f} {warm['aurc']:.4f} {warm['unseen']:.3f}  "
            f"{warm['damaged']:.3f}"
        )
        if base:
            for name in ("nll", "brier"):
                value, error = difference(warm, base[1], name)
                line += f" | {value:+.4f} ± {error:.4f}"
        print(line)
    if notes["left_out"]:
        print("left out for want of time:", ", ".join(notes["left_out"]))


def figures(log_p: np.ndarray, where: dict) -> dict:
    """Figures of known images, pooled over networks; `units`: sums of NLL and Brier by compound."""
    known = (where["kind"] == "known") & (where["targets"] >= 0)
    p, y = np.exp(log_p[known]), where["targets"][known]
    groups = np.broadcast_to(where["dataset"][:, None], known.shape)[known].astype(str)
    groups = np.char.add(np.char.add(groups, "/"), where["groups"][known])
    rows = np.arange(len(y))
    nll = -np.maximum(np.log(np.maximum(p[rows, y], 1e-300)), FLOOR)
    brier = (p**2).sum(1) - 2 * p[rows, y] + 1
    top, right = p.max(1), p.argmax(1) == y
    order = np.argsort(-top, kind="stable")
    risk = np.cumsum(~right[order]) / (1 + rows)
    all_top = np.exp(log_p).max(-1)
    out = {
        "accuracy": right.mean(),
        "nll": nll.mean(),
        "brier": brier.mean(),
        "ece": ece(top, right),
        "auroc": auroc(top[right], top[~right]),
        "aurc": risk.mean(),
        "unseen": auroc(top, all_top[where["kind"] == "unseen"]),
        "damaged": auroc(top, all_top[where["kind"] == "damaged"]),
    }
    names, code = np.unique(groups, return_inverse=True)
    out["n"], out["units"] = (
        len(y),
        {
            name: np.bincount(code, value, len(names))
            for name, value in (("nll", nll), ("brier", brier))
        },
    )
    return out


def difference(a: dict, b: dict, name: str) -> tuple[float, float]:
    """a - b of a mean over images, and its standard error over compounds."""
    sums = a["units"][name] - b["units"][name]
    mean, g = sums.sum() / a["n"], len(sums)
    return float(mean), float(np.sqrt(np.sum((sums - sums.mean()) ** 2) * g / (g - 1)) / a["n"])


def ece(top: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    code = np.minimum((top * bins).astype(int), bins - 1)
    gaps = np.abs(np.bincount(code, top, bins) - np.bincount(code, right.astype(float), bins))
    return float(gaps.sum() / len(top))


def auroc(high: np.ndarray, low: np.ndarray) -> float:
    """The chance that one of `high` is above one of `low`, ties half."""
    if not len(high) or not len(low):
        return float("nan")
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.mean() / 2 / len(low))


if __name__ == "__main__":
    main()
