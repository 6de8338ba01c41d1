"""Which score finds wrong labels of single images? Ours against cleanlab's and others'.

    python tests/benchmarks/label_errors.py choose             the world and seeds that were chosen on
    python tests/benchmarks/label_errors.py report             other seeds, and a harder world
    python tests/benchmarks/label_errors.py screens --work DIR networks on drawn screens of cells

Needs the [benchmarks] extra. Prints the mean average precision over seeds for three kinds of error
at 2, 5 and 10 %, then the paired difference of our score to the best of cleanlab's with a 95 %
interval (Student's t over seeds, the mean of the three rates).
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab import Datalab
from cleanlab.rank import get_label_quality_scores
from planted_labels import KINDS, RATES, WORLDS, Predictions, World, cross_validate, make_truth
from planted_labels import plant as plant_labels
from scipy.special import softmax
from scipy.stats import rankdata
from scipy.stats import t as student_t
from sklearn.metrics import average_precision_score
from tqdm import tqdm

OURS = "margin in training, first half"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["choose", "report", "screens"])
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--work", type=Path, default=Path("label-errors"))
    args = parser.parse_args()
    if args.part == "screens":
        from label_error_screens import screens  # trains networks

        show("drawn screens, standard network", screens(args.seeds or 4, args.work))
    elif args.part == "choose":
        show("ordinary, chosen on", simulated(WORLDS["ordinary"], range(args.seeds or 6)))
    else:
        for name, world in WORLDS.items():
            first = 1000
            show(f"{name}, reported", simulated(world, range(first, first + (args.seeds or 12))))


def simulated(world: World, seeds: Iterable[int]) -> pd.DataFrame:
    """Average precision of every score: seed, kind, rate, score, ap."""
    rows = []
    for seed in tqdm(seeds, disable=None):
        truth = make_truth(world, seed)
        for kind in KINDS:
            for rate in RATES:
                rng = np.random.default_rng(seed)
                labels = plant_labels(
                    kind, rate, truth.classes, truth.posterior, truth.nearest, rng
                )
                found = cross_validate(truth.features, labels, world.classes, seed)
                rows += precisions(
                    scores(found, labels), labels != truth.classes, seed=seed, kind=kind, rate=rate
                )
    return pd.DataFrame(rows)


def precisions(scores: dict[str, np.ndarray], wrong: np.ndarray, **keys) -> list[dict]:
    """One row per score; scores are low for suspect images."""
    return [
        keys | {"score": name, "ap": average_precision_score(wrong, -score)}
        for name, score in scores.items()
    ]


def scores(found: Predictions, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Every score that was tried, low for suspect images."""
    p = softmax(found.logits, axis=1)
    rows = np.arange(len(labels))
    epochs = found.margins.shape[1]
    half = found.margins[:, : epochs // 2].mean(axis=1)
    likelihood = _margin(-found.squares, labels)
    logit = _margin(found.logits, labels)
    return {
        OURS: half,
        "p(label)": p[rows, labels],
        "margin": _margin(p, labels),
        "logit margin": logit,
        "likelihood ratio of features": likelihood,
        "mean rank of margin in training and logit margin": rankdata(half) + rankdata(logit),
        "mean rank of these two and the likelihood ratio": rankdata(half)
        + rankdata(logit)
        + rankdata(likelihood),
        "AUM (all epochs)": found.margins.mean(axis=1),
        "SimiFeat-like (20 neighbours)": found.neighbours[rows, labels],
    } | cleanlab_scores(p, labels, found.features)


def cleanlab_scores(p: np.ndarray, labels: np.ndarray, features: np.ndarray | None = None):
    """cleanlab's scores from the same probabilities (and features)."""
    out = {
        f"cleanlab {name}": get_label_quality_scores(labels, p, method=name)
        for name in ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
    }
    out["cleanlab Datalab, probabilities"] = _datalab(labels, pred_probs=p)
    if features is not None:
        out["cleanlab Datalab, features"] = _datalab(labels, features=features)
    return out


def _datalab(labels: np.ndarray, **given: np.ndarray) -> np.ndarray:
    lab = Datalab({"label": labels}, label_name="label", task="classification", verbosity=0)
    lab.find_issues(issue_types={"label": {}}, **given)
    return lab.get_issues("label")["label_score"].to_numpy()


def _margin(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    rows = np.arange(len(labels))
    others = values.copy()
    others[rows, labels] = -np.inf
    return values[rows, labels] - others.max(axis=1)


def show(name: str, table: pd.DataFrame) -> None:
    """Means by kind and rate, and our score's lead over each rival."""
    print(f"\n{name}: {table['seed'].nunique()} seeds, average precision")
    means = table.pivot_table(index="score", columns=["kind", "rate"], values="ap", sort=False)
    print(means.round(3).to_string())
    by_seed = table.groupby(["kind", "score", "seed"], sort=False)["ap"].mean().unstack("score")
    for kind, part in by_seed.groupby(level="kind", sort=False):
        rivals = part[[c for c in part if c.startswith("cleanlab")]]
        for rival in (rivals.mean().idxmax(), "AUM (all epochs)", "SimiFeat-like (20 neighbours)"):
            if rival not in part:
                continue
            gap = (part[OURS] - part[rival]).dropna()
            half = student_t.ppf(0.975, len(gap) - 1) * gap.sem()
            print(f"  {kind}: ours minus {rival}: {gap.mean():+.3f} [{gap.mean() - half:+.3f}, "
                  f"{gap.mean() + half:+.3f}], {gap.mean() / gap.sem():.1f} standard errors")  # fmt: skip


if __name__ == "__main__":
    main()
