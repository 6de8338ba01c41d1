"""Does the accuracy at the chosen cut-off hold on new data, and how many images are kept?

Run: python tests/benchmarks/cutoffs.py [--worlds 400] [--check]

Grouped: 18, 38, 100 compounds of 12 to 48 images from four worlds in turn. Compounds differ by a
normal shift of the logit (0.8 or 1.6), or a tenth of them has wrong labels: half or all of their
images are wrong, whatever the score. Independent: 200, 1,000, 10,000 images. A cut-off falls short
if the accuracy of all images above it, of new compounds, is below the target; this accuracy is known.
Compared: the product (Learn-then-Test on all images); the same without its term for compounds that
are always wrong; the split that it replaced (half of the data chooses by a 95 % lower bound: Wilson,
with groups also a bootstrap over them, at least 5 groups).
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from bnn_core.measures import cutoffs
from bnn_core.measures.cutoffs import split_halves
from bnn_core.measures.evaluation import Selective
from bnn_core.measures.intervals import group_counts

TARGETS = (0.75, 0.85, 0.9)
SLOPE, START = 5.0, -0.8
_SCORES = (np.arange(2000) + 0.5) / 2000
_NORMAL = norm.ppf((np.arange(81) + 0.5) / 81)


@dataclass(frozen=True)
class World:
    """spread: of the compounds' logits. bad: their share with wrong labels; wrong: of the images of
    such a compound that are wrong."""

    spread: float = 0.0
    bad: float = 0.0
    wrong: float = 0.0

    def draw(self, rng: np.random.Generator, groups: int) -> tuple[np.ndarray, ...]:
        """Scores, right or wrong, and compounds."""
        codes = np.repeat(np.arange(groups), rng.integers(12, 49, groups))
        score = rng.random(len(codes))
        shift = rng.normal(0, self.spread, groups)[codes]
        right = rng.random(len(codes)) < expit(SLOPE * score + START + shift)
        swapped = (rng.random(groups) < self.bad)[codes] & (rng.random(len(codes)) < self.wrong)
        return score, right & ~swapped, codes

    def accuracies(self) -> np.ndarray:
        """(2000,) accuracy of all images of new compounds with a score of at least _SCORES."""
        rate = expit(SLOPE * _SCORES[:, None] + START + self.spread * _NORMAL).mean(axis=1)
        rate *= 1 - self.bad * self.wrong
        return rate[::-1].cumsum()[::-1] / np.arange(2000, 0, -1)


WORLDS = (World(0.8), World(1.6), World(0.5, 0.1, 0.5), World(0.5, 0.1, 1.0))
ALONE = (World(),)


def product(score, correct, target, groups):
    return cutoffs._chosen(score, correct, target, groups, None)


def without_term(score, correct, target, groups):
    """The p-values of the two tests over groups only."""
    keep = cutoffs._effective_groups
    cutoffs._effective_groups = lambda kept: np.full(kept.shape[1], np.inf)
    try:
        return cutoffs._chosen(score, correct, target, groups, None)
    finally:
        cutoffs._effective_groups = keep


def former_split(score, correct, target, groups):
    """The half that chooses, by a lower bound at every one of 200 cut-offs."""
    half = split_halves(len(score), groups)
    score, correct = score[half], correct[half]
    thresholds = np.unique(score)[:: max(1, len(score) // 200)]
    at = Selective(score, correct).at(thresholds)
    z, share = norm.ppf(0.95), at.right / at.kept
    spread = np.sqrt(share * (1 - share) / at.kept + z**2 / (4 * at.kept**2))
    bounds = (share + z**2 / (2 * at.kept) - z * spread) / (1 + z**2 / at.kept)
    if groups is not None:
        kept, right, sizes = group_counts(score, correct, thresholds, groups[half])
        rng = np.random.default_rng(0)
        weights = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), 1000)
        drawn = (weights @ right) / np.maximum(weights @ kept, 1)
        bounds = np.minimum(bounds, np.quantile(drawn, 0.05, axis=0))
        effective = kept.sum(axis=0) ** 2 / np.maximum((kept**2).sum(axis=0), 1)
        bounds = np.where(effective >= 5, bounds, -np.inf)
    meets = np.flatnonzero(bounds >= target)
    return float(thresholds[meets[0]]) if len(meets) else None


FORMS: dict[str, Callable] = {
    "product": product,
    "without the term": without_term,
    "former split": former_split,
}


def measure(size: int, grouped: bool, worlds: int, target: float) -> pd.DataFrame:
    """One row per form: answers, share of all worlds below the target, mean share kept."""
    kinds = WORLDS if grouped else ALONE
    truths = [world.accuracies() for world in kinds]
    rows = []
    for number in range(worlds):
        rng = np.random.default_rng([number, size])
        kind = number % len(kinds)
        if grouped:
            score, correct, groups = kinds[kind].draw(rng, size)
        else:
            score, groups = rng.random(size), None
            correct = rng.random(size) < expit(SLOPE * score + START)
        for form, choose in FORMS.items():
            if form == "without the term" and not grouped:
                continue
            cutoff = choose(score, correct, target, groups)
            below = False
            if cutoff is not None:
                place = min(int(cutoff * 2000), 1999)
                below = bool(truths[kind][place] < target)
            rows.append(
                {
                    "form": form,
                    "world": kind,
                    "answers": cutoff is not None,
                    "below": below,
                    "kept": 0.0 if cutoff is None else float((score >= cutoff).mean()),
                }
            )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=400)
    args = parser.parse_args()
    limit = 0.05 + 2 * np.sqrt(0.05 * 0.95 / args.worlds)
    print(f"{args.worlds} worlds; a guarantee of 5 % allows up to {limit:.1%} below the target")
    for grouped, sizes in ((True, (18, 38, 100)), (False, (200, 1000, 10_000))):
        for size in sizes:
            for target in TARGETS:
                table = measure(size, grouped, args.worlds, target)
                means = table.groupby("form", sort=False)[["answers", "below", "kept"]].mean()
                for form, line in means.iterrows():
                    worst = table[table["form"] == form].groupby("world")["below"].mean().max()
                    print(
                        f"{size:>6} {'compounds' if grouped else 'images':<9} {target:.0%}  "
                        f"{form:<17} below {line['below']:6.1%} (worst world {worst:6.1%})  "
                        f"answers {line['answers']:4.0%}  kept {line['kept']:6.1%}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
