"""Do the intervals of suspect scores hold the true score? Simulated screens of known compounds.

OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/suspect_intervals.py [--repeats 12]

A compound's true class probabilities are its label's share and a Dirichlet remainder; its wells
scatter about them. Two compounds have wrong labels. The true score compares the true probabilities
with what 5,000 more compounds of the same classes lead one to expect. The grid: 6, 12 and 12
classes with 24, 38 and 100 compounds; two worlds of labels, two scatters of wells; 2 to 12 wells.
"Suspects" are compounds whose score is above 0: they were selected for it.
"""

import argparse
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from bnn_core.suspects.disagreement import Disagreement, contrast
from bnn_core.suspects.ranking import score_interval
from bnn_core.suspects.usual_errors import fit_usual_errors

WELLS, RESAMPLES, MORE = (2, 3, 6, 12), 200, 5000


def screen(rng, num_classes: int, compounds: int, wells: int, share: float, precision: float):
    """Labels (G,), true probabilities (G + MORE, C) of these and more compounds, wells (G, W, C)."""
    labels = np.arange(compounds + MORE) % num_classes
    true = rng.dirichlet(np.full(num_classes, 0.4), len(labels)) * (1 - share)
    looks = labels.copy()
    wrong = rng.choice(compounds, 2, replace=False)
    looks[wrong] = (looks[wrong] + rng.integers(1, num_classes, 2)) % num_classes
    true[np.arange(len(true)), looks] += share
    seen = np.stack([rng.dirichlet(precision * t + 1e-3, wells) for t in true[:compounds]])
    return labels, true, seen


def one(rng, num_classes: int, compounds: int, wells: int, share: float, precision: float):
    """Score, true score and half-widths of three forms, one row per compound."""
    labels, true, seen = screen(rng, num_classes, compounds, wells, share, precision)
    classes = [f"class {k}" for k in range(num_classes)]
    rows = pd.DataFrame(seen.reshape(-1, num_classes), columns=[f"p_{name}" for name in classes])
    rows["compound"] = np.repeat([f"c{i:03d}" for i in range(compounds)], wells)
    rows["label"] = np.repeat(np.array(classes)[labels[:compounds]], wells)
    rows = rows.assign(plate="P", well=[f"w{i}" for i in range(len(rows))], confidence=0.5)
    rows["predicted"] = classes[0]
    source = Disagreement.of(rows, classes, "compound")
    each = np.arange(compounds)
    suspected = source.scores().argmax(axis=1)
    score = source.scores()[each, suspected]
    means = source._means_of(source._draw_units(rng, RESAMPLES))
    errors, plain = source.errors.single(), source.errors.single().terms()
    drawn = [
        errors.terms(np.bincount(rng.integers(compounds, size=compounds), minlength=compounds))
        for _ in range(RESAMPLES)
    ]

    def spread(pairs) -> np.ndarray:
        return np.array([source._scores(m, terms)[each, suspected] for m, terms in pairs])

    both = spread(zip(means, drawn, strict=True))
    within = spread((m, plain) for m in means).std(axis=0)
    between = spread((source.means.astype(np.float32), terms) for terms in drawn).std(axis=0)
    low, high = score_interval(score, both, np.full(compounds, wells))
    variance = within**2 + between**2
    freedom = variance**2 / (within**4 / (wells - 1) + between**4 / (compounds - 1) + 1e-30)
    expected = np.moveaxis(
        fit_usual_errors(true, labels).terms().expected_if(slice(0, compounds)), 2, 0
    )
    expected[each, labels[:compounds]] = fit_usual_errors(true, labels).expected()[:compounds]
    truth = contrast(expected, true[:compounds], labels[:compounds])[each, suspected]
    t_wells = student_t.ppf(0.975, wells - 1)
    return pd.DataFrame(
        {
            "wells": wells,
            "score": score,
            "product": (low <= truth) & (truth <= high),
            "t of wells only for their part": np.abs(score - truth)
            <= np.hypot(t_wells * within, 1.96 * between),
            "Satterthwaite": np.abs(score - truth)
            <= student_t.ppf(0.975, np.maximum(freedom, 1)) * np.sqrt(variance),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--repeats", type=int, default=12)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    worlds = product(((6, 24), (12, 38), (12, 100)), WELLS, (0.5, 0.8), (5, 20))
    rows = pd.concat(
        one(rng, *size, wells, share, precision)
        for size, wells, share, precision in worlds
        for _ in range(args.repeats)
    )
    forms = rows.columns[2:]
    print("| wells | " + " | ".join(f"{form}: all, suspects" for form in forms) + " |")
    print("| --- |" + " --- |" * len(forms))
    for wells, part in rows.groupby("wells"):
        of_suspects = part[part["score"] > 0]
        cells = [f"{part[form].mean():.1%}, {of_suspects[form].mean():.1%}" for form in forms]
        print(f"| {wells} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
