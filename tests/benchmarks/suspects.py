"""How well do the rankings find planted faults, against cleanlab from the same probabilities?

    python tests/benchmarks/suspects.py screens [--seeds 100]   compounds, wells, images
    python tests/benchmarks/suspects.py fdr [--tables 200]      a calibrated false-discovery rate?
    python tests/benchmarks/suspects.py mnist STUDY             2 % of the labels flipped at random
    python tests/benchmarks/suspects.py demo [--seeds 10]       networks trained on drawn screens

Needs the [benchmarks] extra. Prints tables; +- is the standard error over seeds. "at k": k is the
number of planted faults, so that precision and recall are the same number.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from demo_screens import demo_screens
from scipy.stats import norm
from sklearn.metrics import average_precision_score
from synthetic_screens import WORLDS, Screen, make_screen
from tqdm import tqdm

from bnn_core.study.folder import open_study
from bnn_core.suspects.disagreement import contrast
from bnn_core.suspects.explaining import explain
from bnn_core.suspects.explanation import FITS
from bnn_core.suspects.label_quality import label_quality
from bnn_core.suspects.ranking import rank, rank_images
from bnn_core.suspects.suspect import Suspect
from bnn_core.suspects.usual_errors import fit_usual_errors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["screens", "fdr", "mnist", "demo"])
    parser.add_argument("study", nargs="?")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("demo-screens"),
        help="demo: folder where finished seeds are kept",
    )
    args = parser.parse_args()
    if args.part == "screens":
        for name in ("ordinary", "strong batches", "easy", "overconfident"):
            made = (make_screen(WORLDS[name], seed) for seed in range(args.seeds or 100))
            compare(name, tqdm(made, total=args.seeds or 100, disable=None))
    elif args.part == "demo":
        made = demo_screens(args.seeds or 10, args.work)
        for method, screens in made.items():
            compare(f"demo, {method}", screens)
        evidence_of(made["vi"], made["standard"])
    elif args.part == "fdr":
        false_discovery_rates(args.tables)
    else:
        flipped_labels(args.study or "mnist", args.seeds or 10)


def compare(name: str, screens: Iterable[Screen]) -> None:
    """Print the found faults of compounds, wells and images over all screens."""
    rows = []
    for seed, screen in enumerate(screens):
        accuracy = float(screen.scored["correct"].astype(float).mean())
        for level, truth, scores in (compounds(screen), wells(screen), images(screen)):
            rows += [
                {"seed": seed, "level": level, "accuracy": accuracy, "score": name}
                | found(truth, score)
                for name, score in scores.items()
            ]
    table = pd.DataFrame(rows)
    print(
        f"\n{name}: {table['seed'].nunique()} screens, image accuracy "
        f"{table['accuracy'].mean():.1%}, {table['accuracy'].min():.1%} to "
        f"{table['accuracy'].max():.1%}"
    )
    for level, part in table.groupby("level", sort=False):
        kinds = [c for c in part if c.startswith("kind ") and part[c].notna().any()]
        shown = part.groupby("score", sort=False)[["average precision", "at k", "at 5", *kinds]]
        mean, error = shown.mean(), shown.sem()
        text = mean.map("{:.3f}".format) + error.map(" +-{:.3f}".format)
        print(f"  {level}s\n" + text.to_string().replace("\n", "\n  "))
        wide = part.pivot_table(index="seed", columns="score", values=["average precision", "at k"])
        ours = next(iter(part["score"]))
        for figure in ("average precision", "at k"):
            means = wide[figure].mean()
            rival = means[[c for c in means.index if c.startswith("cleanlab")]].idxmax()
            gap = wide[figure][ours] - wide[figure][rival]
            print(f"  {figure}: ours minus {rival}: {gap.mean():+.3f} +-{gap.sem():.3f}")


def found(truth: pd.Series, score: pd.Series) -> dict[str, float]:
    """Average precision, recall at k and at 5, recall at 5 by kind. truth: "" where no fault."""
    faulty = truth != ""
    k = int(faulty.sum())
    if not k:
        return {}
    score = score.reindex(truth.index)
    order = score.sort_values(ascending=False, kind="stable").index
    out = {
        "average precision": average_precision_score(faulty, score),
        "at k": faulty[order[:k]].mean(),
        "at 5": faulty[order[:5]].sum() / k,
    }
    if k <= 12:
        out |= {
            f"kind {kind}": faulty[order[:5]][truth == kind].sum() / (truth == kind).sum()
            for kind in sorted(set(truth) - {""})
        }
    return out


def compounds(screen: Screen):
    """Ours, the other class left out of it, and cleanlab put together by compound."""
    table, truth = screen.scored, screen.kinds
    ranked = rank(table, screen.classes, resamples=2).set_index("compound")
    scores = {"ours": ranked["score"]}
    scores["what the label lost"] = ranked["expected_label"] - ranked["p_label"]
    scores["low confidence"] = -table.groupby("compound")["confidence"].mean()
    cleanlab = _cleanlab(table, screen.classes)
    means = cleanlab.groupby(table["compound"].to_numpy()).mean()
    scores["cleanlab mean self-confidence"] = -means["self-confidence"]
    scores["cleanlab mean margin"] = -means["margin"]
    # Ties of the share go by self-confidence: fairer to cleanlab than by name.
    scores["cleanlab share flagged"] = means["flagged"] - 1e-6 * means["self-confidence"]
    return "compound", truth, scores


def wells(screen: Screen):
    """Swapped wells: ours is the ranking of wells beside their own compound."""
    table = screen.scored
    ids = table["plate"] + " " + table["well"]
    truth = table["swapped"].groupby(ids.to_numpy()).first().map({True: "swapped", False: ""})
    ranked = rank(table, screen.classes, "well", resamples=2)
    means = _cleanlab(table, screen.classes).groupby(ids.to_numpy()).mean()
    return (
        "well",
        truth,
        {
            "ours": ranked.set_index(ranked["plate"] + " " + ranked["well"])["score"],
            "cleanlab mean self-confidence": -means["self-confidence"],
            "cleanlab share flagged": means["flagged"] - 1e-6 * means["self-confidence"],
        },
    )


def images(screen: Screen):
    """Images of a wrong label (compound or well) and spoilt ones."""
    table = screen.scored
    faulty = (table["kind"] != "") | table["swapped"] | table["artefact"]
    truth = faulty.map({True: "faulty", False: ""})
    ranked = rank_images(table)
    cleanlab = _cleanlab(table, screen.classes)
    return (
        "image",
        truth,
        {
            "ours": -ranked.set_index("row")["label_quality"],
            "cleanlab self-confidence": -cleanlab["self-confidence"],
            "cleanlab margin": -cleanlab["margin"],
        },
    )


def evidence_of(screens: list[Screen], standard: list[Screen]) -> None:
    """How often each explanation fits, by what was planted: compounds, swapped wells, spoilt images.

    "own error": a compound without a fault that most images of call something else.
    """
    rows = []
    for screen, other in zip(screens, standard, strict=True):
        table = screen.table
        whole = (screen.scored["kind"] != "") | screen.scored["swapped"]
        touched = set(screen.scored["compound"][whole])
        for row in rank(table, screen.classes, resamples=2).to_dict("records"):
            kind = screen.kinds[row["compound"]]
            if not kind:
                if row["compound"] in touched:
                    continue
                kind = "own error" if row["n_wrong"] > row["n_images"] / 2 else "called right"
            rows.append((kind, Suspect.of(row, "compound"), screen, other))
        ranked = rank(table, screen.classes, "well", resamples=2)
        wells = screen.scored.loc[screen.scored["swapped"], ["plate", "well"]].drop_duplicates()
        rows += [
            ("swapped well", Suspect.of(row, "well"), screen, other)
            for row in ranked.merge(wells).to_dict("records")
        ]
        spoilt = table["image_id"][table["artefact"]]
        images = rank_images(table)
        rows += [
            ("spoilt image", Suspect.of(row, "image"), screen, other)
            for row in images[images["image_id"].isin(spoilt)].to_dict("records")
        ]
    verdicts = pd.DataFrame(
        [
            {"planted": kind}
            | {
                e.key: float(e.verdict == FITS)
                for e in explain(screen.table, screen.classes, suspect, standard=other.table)
            }
            for kind, suspect, screen, other in rows
        ]
    )
    shown = verdicts.groupby("planted").mean()
    shown.insert(0, "n", verdicts.groupby("planted").size())
    print("\nshare of suspects that each explanation fits\n" + shown.round(2).to_string())


def _cleanlab(table: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """cleanlab's opinion of every image from the same probabilities."""
    p = table[[f"p_{name}" for name in classes]].to_numpy(np.float64)
    p = p / p.sum(axis=1, keepdims=True)
    labels = pd.Index(classes).get_indexer(table["label"])
    return pd.DataFrame(
        {
            "self-confidence": get_label_quality_scores(labels, p, method="self_confidence"),
            "margin": get_label_quality_scores(labels, p, method="normalized_margin"),
            "flagged": find_label_issues(labels, p).astype(float),
        },
        index=table.index,
    )


def false_discovery_rates(tables: int) -> None:
    """Realised against nominal false-discovery rate of four nulls for the compounds' scores.

    Each gives a p-value per compound, Benjamini-Hochberg the discoveries. realised: mean share of
    false ones among those called, 0 where none is; found: mean share of the faults called; called:
    mean number. Calibrated is a null that realises at most the nominal rate in every world, and
    finds something.
    """
    nulls: dict[str, Callable] = {
        "other compounds' ranks": _rank_p,
        "normal, median and MAD": _normal_p,
        "own errors, Dirichlet": lambda r, t, c: _dirichlet_p(t, c, cleaned=False),
        "own errors, cleaned": lambda r, t, c: _dirichlet_p(t, c, cleaned=True),
    }
    rows = []
    for world, name in [(w, n) for n, w in WORLDS.items()]:
        for seed in tqdm(range(tables), desc=name, disable=None):
            screen = make_screen(world, 10_000 + seed)
            ranked = rank(screen.scored, screen.classes, resamples=2).set_index("compound")
            faulty = screen.kinds.reindex(ranked.index) != ""
            for null, p_values in nulls.items():
                p = p_values(ranked["score"], screen.scored, screen.classes)
                for nominal in (0.05, 0.1, 0.2):
                    hit = _benjamini_hochberg(p.reindex(ranked.index).to_numpy(), nominal)
                    rows.append(
                        (
                            name,
                            null,
                            nominal,
                            (hit & ~faulty).sum() / max(hit.sum(), 1),
                            (hit & faulty).sum() / max(faulty.sum(), 1),
                            hit.sum(),
                        )
                    )
    out = pd.DataFrame(rows, columns=["world", "null", "nominal", "realised", "found", "called"])
    grouped = out.groupby(["null", "world", "nominal"], sort=False)
    shown = grouped[["realised", "found", "called"]].mean()
    shown.insert(1, "+-", grouped["realised"].sem())
    print(shown.round(3).to_string())


def _benjamini_hochberg(p: np.ndarray, rate: float) -> np.ndarray:
    order = np.argsort(p)
    below = np.flatnonzero(p[order] <= rate * np.arange(1, len(p) + 1) / len(p))
    called = np.zeros(len(p), bool)
    called[order[: below.max() + 1 if len(below) else 0]] = True
    return called


def _rank_p(score: pd.Series, *_) -> pd.Series:
    return score.rank(ascending=False) / (len(score) + 1)


def _normal_p(score: pd.Series, *_) -> pd.Series:
    middle = score.median()
    spread = 1.4826 * (score - middle).abs().median()
    return pd.Series(norm.sf((score - middle) / spread), score.index)


def _dirichlet_p(
    table: pd.DataFrame, classes: list[str], cleaned: bool, draws: int = 400
) -> pd.Series:
    """Compound means drawn about their expectation, as widely as the table's own compounds vary.

    cleaned: compounds of p < 0.05 are left out of the expectation and the spread, until settled.
    """
    rng = np.random.default_rng(0)
    groups = table.groupby("compound")
    labels = pd.Index(classes).get_indexer(groups["label"].first())
    means = groups[[f"p_{name}" for name in classes]].mean().to_numpy(np.float64)
    errors, each, weights = (
        fit_usual_errors(means, labels),
        np.arange(len(labels)),
        np.ones(len(labels)),
    )
    for _ in range(6):
        every = errors.expected_if(weights)
        expected = np.maximum(every[each, labels], 1e-6)
        right = expected[each, labels]
        varied = (weights * (means[each, labels] - right) ** 2).sum()
        precision = max((weights * right * (1 - right)).sum() / varied - 1, 0.05)
        drawn = rng.standard_gamma(precision * expected, (draws, *expected.shape))
        drawn /= np.maximum(drawn.sum(axis=2, keepdims=True), 1e-300)
        of_drawn = np.stack([contrast(every, one, labels).max(axis=1) for one in drawn])
        found = contrast(every, means, labels).max(axis=1)
        p = (1 + (of_drawn >= found).sum(axis=0)) / (1 + draws)
        new = (p >= 0.05).astype(float)
        if not cleaned or (new == weights).all():
            break
        weights = new
    return pd.Series(p, groups.size().index)


def flipped_labels(study: str, seeds: int) -> None:
    """Images of a study without groups: 2 % of the scored labels flipped at random."""
    opened = open_study(study)
    for method in opened.methods:
        table = opened.table(method)
        table = table[(table["role"] == "scored") & table["label"].notna()].reset_index(drop=True)
        p = table[[f"p_{name}" for name in opened.classes]].to_numpy(np.float64, copy=True)
        p /= p.sum(axis=1, keepdims=True)
        true = pd.Index(opened.classes).get_indexer(table["label"])
        rows = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            given = true.copy()
            flipped = rng.choice(len(true), round(0.02 * len(true)), replace=False)
            given[flipped] += rng.integers(1, len(opened.classes), len(flipped))
            given %= len(opened.classes)
            truth = pd.Series("", range(len(true)))
            truth[flipped] = "flipped"
            own = p[np.arange(len(p)), given]
            scores = {"ours": -label_quality(own)}
            for method_name in (
                "self_confidence",
                "normalized_margin",
                "confidence_weighted_entropy",
            ):
                scores[f"cleanlab {method_name}"] = -get_label_quality_scores(
                    given, p, method=method_name
                )
            rows += [{"score": name} | found(truth, pd.Series(s)) for name, s in scores.items()]
        shown = pd.DataFrame(rows).groupby("score", sort=False)[["average precision", "at k"]]
        print(
            f"\n{opened.name}, {method}: {len(true):,} images, accuracy "
            f"{(p.argmax(axis=1) == true).mean():.2%}, 2 % flipped, {seeds} seeds"
        )
        print((shown.mean().map("{:.4f}".format) + shown.sem().map(" +-{:.4f}".format)).to_string())


if __name__ == "__main__":
    sys.exit(main())
