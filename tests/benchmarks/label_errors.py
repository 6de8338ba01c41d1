"""Which score finds wrong labels of single images? Ours against cleanlab's and others'.

    python tests/benchmarks/label_errors.py choose             worlds that the score was chosen on
    python tests/benchmarks/label_errors.py report             other seeds and other worlds
    python tests/benchmarks/label_errors.py screens --work DIR networks on drawn screens of cells

Needs the [benchmarks] extra; mnist needs $BNN_DATA. Prints the mean average precision over seeds for
three kinds of error at 2, 5 and 10 %, then the paired difference of our score to the best of cleanlab's
with a 95 % interval (Student's t over seeds, the mean of the three rates). `--table FILE` keeps all.
The rule of the choice: the highest mean over worlds, kinds and rates, each with the same weight; of
scores that differ from it by less than a standard error over worlds and kinds, the simplest.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from cleanlab import Datalab
from cleanlab.rank import get_label_quality_scores
from planted_labels import (
    CHOSEN_ON,
    KINDS,
    RATES,
    REPORTED,
    Predictions,
    World,
    cross_validate,
    make_truth,
    margin,
    plant_compounds,
)
from planted_labels import plant as plant_labels
from scipy.special import expit, softmax
from scipy.stats import rankdata
from scipy.stats import t as student_t
from sklearn.metrics import average_precision_score
from tqdm import tqdm

from bnn_core.suspects.label_quality import label_quality, shares_of_expected

HALF = "margin in training, first half"
AUM = "margin in training, all epochs"
#: What the product orders images by, without and with groups (compounds and wells).
OURS, OURS_GROUPED = AUM, "groups: margin in training"
FIRST_REPORTED = 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["choose", "report", "screens"])
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--work", type=Path, default=Path("label-errors"))
    parser.add_argument("--worlds", nargs="*", help="only these")
    parser.add_argument("--table", type=Path, help="keep every average precision as a Parquet file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    tables = []
    if args.part == "screens":
        from label_error_screens import screens  # trains networks

        tables.append(screens(args.seeds or 4, args.work).assign(world="screens"))
    else:
        worlds, first = (CHOSEN_ON, 0) if args.part == "choose" else (REPORTED, FIRST_REPORTED)
        for name in args.worlds or worlds:
            seeds = range(first, first + (args.seeds or (4 if args.part == "choose" else 12)))
            tables.append(simulated(worlds[name], seeds).assign(world=name))
            show(name, tables[-1])
    table = pd.concat(tables, ignore_index=True)
    if args.table:
        table.to_parquet(args.table)
    show_ranking(table)


def simulated(world: World, seeds: Iterable[int]) -> pd.DataFrame:
    """Average precision of every score: seed, kind, rate, score, ap."""
    rows = []
    for seed in tqdm(seeds, disable=None):
        truth = make_truth(world, seed)
        for kind in (*KINDS, *(["compound"] if world.compounds else [])):
            for rate in RATES:
                rng = np.random.default_rng(seed)
                if kind == "compound":
                    labels = plant_compounds(rate, truth, rng)
                else:
                    labels = plant_labels(
                        kind, rate, truth.classes, truth.posterior, truth.nearest, rng
                    )
                found = cross_validate(truth.features, labels, world, seed)
                tried = scores(found, labels)
                if truth.compounds is not None:
                    tried |= with_groups(found, labels, truth.compounds)
                if seed >= FIRST_REPORTED:  # slow, and never among the best
                    tried["cleanlab Datalab, features"] = datalab(labels, features=found.features)
                rows += precisions(tried, labels != truth.classes, seed=seed, kind=kind, rate=rate)
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
    whole = found.margins.mean(axis=1)
    fit = np.exp(found.log_p).mean(axis=1)
    p_label, logit = p[rows, labels], margin(found.logits, labels)
    likelihood = margin(-found.squares, labels)

    def ranks(*scores: np.ndarray) -> np.ndarray:
        return np.sum([rankdata(score) for score in scores], axis=0)

    log_p = found.log_p.mean(axis=1)
    return {
        HALF: half,
        "margin in training, first quarter": found.margins[:, : max(1, epochs // 4)].mean(axis=1),
        "margin in training, second half": found.margins[:, epochs // 2 :].mean(axis=1),
        AUM: whole,
        "margin of p in training": (2 * expit(found.margins) - 1).mean(axis=1),
        "p(label) in training": fit,
        "log p(label) in training": log_p,
        "p(label)": p_label,
        "margin": margin(p, labels),
        "logit margin": logit,
        "margin of images held out, all epochs": found.held_out,
        "likelihood ratio of features": likelihood,
        "p(label) x p(label) in training": p_label * fit,
        "ranks: first half, p(label)": ranks(half, p_label),
        "ranks: AUM, p(label)": ranks(whole, p_label),
        "ranks: AUM, logit margin": ranks(whole, logit),
        "ranks: AUM, margin": ranks(whole, margin(p, labels)),
        "ranks: log p in training, p(label)": ranks(log_p, p_label),
        "ranks: log p in training, logit margin": ranks(log_p, logit),
        "ranks: log p in training, margin": ranks(log_p, margin(p, labels)),
        "ranks: log p in training, AUM": ranks(log_p, whole),
        "ranks: log p in training, AUM, logit margin": ranks(log_p, whole, logit),
        "ranks: first half, likelihood ratio": ranks(half, likelihood),
        "ranks: AUM, likelihood ratio": ranks(whole, likelihood),
        "ranks: AUM, logit margin, likelihood ratio": ranks(whole, logit, likelihood),
        "ranks: log p in training, likelihood ratio": ranks(log_p, likelihood),
        "ranks: log p in training, AUM, likelihood ratio": ranks(log_p, whole, likelihood),
        "AUM + margin of images held out": whole / whole.std()
        + found.held_out / found.held_out.std(),
        "SimiFeat-like (20 neighbours)": found.neighbours[rows, labels],
    } | cleanlab_scores(p, labels)


def with_groups(
    found: Predictions, labels: np.ndarray, compounds: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores that count what an image's compound and well fall short of their expectation."""
    p_label = softmax(found.logits, axis=1)[np.arange(len(labels)), labels]
    rows = pd.DataFrame({"compound": compounds, "plate": 0, "well": np.arange(len(labels)) // 4})
    shares = shares_of_expected(rows.assign(p_label=p_label, label=labels))
    fits = {
        "half": expit(found.margins[:, : found.margins.shape[1] // 2].mean(axis=1)),
        "margin in training": expit(found.margins.mean(axis=1)),
        "p in training": np.exp(found.log_p).mean(axis=1),
        "log p in training": np.exp(found.log_p.mean(axis=1)),
    }
    out = {"groups: p(label), the former order": label_quality(p_label, shares)}
    for name, fit in fits.items():
        out[f"groups: p(label) x {name}"] = label_quality(p_label * fit, shares)
        out[f"groups: root of p(label) x {name}"] = label_quality(np.sqrt(p_label * fit), shares)
        out[f"groups: {name}"] = label_quality(fit, shares)
    return out


def cleanlab_scores(p: np.ndarray, labels: np.ndarray):
    """cleanlab's scores from the same probabilities; its Datalab takes self_confidence from them."""
    return {
        f"cleanlab {name}": get_label_quality_scores(labels, p, method=name)
        for name in ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
    }


def datalab(labels: np.ndarray, **given: np.ndarray) -> np.ndarray:
    """The score of cleanlab's Datalab from given pred_probs or features."""
    lab = Datalab({"label": labels}, label_name="label", task="classification", verbosity=0)
    lab.find_issues(issue_types={"label": {}}, **given)
    return lab.get_issues("label")["label_score"].to_numpy()


def show(name: str, table: pd.DataFrame) -> None:
    """Means by kind and rate, and our score's lead over each rival."""
    print(f"\n{name}: {table['seed'].nunique()} seeds, average precision", flush=True)
    means = table.pivot_table(index="score", columns=["kind", "rate"], values="ap", sort=False)
    print(means.round(3).to_string())
    by_seed = table.groupby(["kind", "score", "seed"], sort=False)["ap"].mean().unstack("score")
    ours = OURS_GROUPED if OURS_GROUPED in by_seed else OURS
    for kind, part in by_seed.groupby(level="kind", sort=False):
        best = part[[c for c in part if c.startswith("cleanlab")]].mean().idxmax()
        former = "groups: p(label), the former order"
        for rival in (best, HALF, AUM, former, "SimiFeat-like (20 neighbours)"):
            if rival not in part or rival == ours:
                continue
            gap = (part[ours] - part[rival]).dropna()
            half = student_t.ppf(0.975, len(gap) - 1) * gap.sem()
            print(f"  {kind}: {ours} minus {rival}: {gap.mean():+.3f} [{gap.mean() - half:+.3f}, "
                  f"{gap.mean() + half:+.3f}], {gap.mean() / gap.sem():.1f} standard errors")  # fmt: skip


def show_ranking(table: pd.DataFrame) -> None:
    """Means over worlds, kinds and rates, and how far each is behind the first, ± standard error."""
    cells = table.groupby(["world", "kind", "score"])["ap"].mean().unstack("score")
    means = cells.mean().sort_values(ascending=False)
    behind = cells[means.index].sub(cells[means.index[0]], axis=0)
    print(pd.DataFrame({"mean": means, "behind": behind.mean(), "±": behind.sem()}).round(4))


if __name__ == "__main__":
    main()
