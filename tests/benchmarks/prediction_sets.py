"""Prediction sets against MAPIE and crepes: coverage by class on new compounds, and sizes.

Run: python tests/benchmarks/prediction_sets.py [--repeats 40]

Worlds: softmax of four classes with 12, 20 or 40 compounds each of 12 to 48 images; compounds differ
by a normal shift of every logit (0, 0.5, 1.5). New compounds are covered if the set holds the label.
MAPIE (score "lac", all classes together) and crepes (Mondrian by class) calibrate with single
images, as they have no groups. They are left out where they are not installed.
"""

import argparse
from importlib.util import find_spec

import numpy as np
import pandas as pd

from bnn_core.measures.prediction_sets import LEVEL, prediction_sets

CLASSES, NEW = 4, 20


def world(rng: np.random.Generator, compounds: int, spread: float, tag: str):
    """Softmax (N, C), labels and compounds."""
    p, label, group = [], [], []
    for k in range(CLASSES):
        for g in range(compounds):
            logits = rng.normal(size=(rng.integers(12, 49), CLASSES)) + rng.normal(
                0, spread, CLASSES
            )
            logits[:, k] += 1.5 + 0.5 * k / CLASSES
            p.append(np.exp(logits))
            label += [k] * len(logits)
            group += [f"{tag}{k}.{g}"] * len(logits)
    p = np.concatenate(p)
    return p / p.sum(axis=1, keepdims=True), np.array(label), np.array(group, dtype=object)


def ours(p, label, group, new_p, new_group):
    """By class, with whole compounds."""
    sets = prediction_sets(
        np.vstack([p, new_p]),
        np.append(label, np.full(len(new_p), -1)),
        np.append(group, new_group),
    )
    return sets.member[len(p) :]


def ours_single_images(p, label, group, new_p, new_group):
    """By class, as if images were independent."""
    everything = np.append(label, np.full(len(new_p), -1))
    return prediction_sets(np.vstack([p, new_p]), everything).member[len(p) :]


def crepes_by_class(p, label, group, new_p, new_group):
    from crepes import ConformalClassifier

    classifier = ConformalClassifier()
    classifier.fit(1 - p[np.arange(len(p)), label], bins=label)
    return np.stack(
        [
            classifier.predict_set(
                1 - new_p[:, [k]], bins=np.full(len(new_p), k), confidence=LEVEL
            )[:, 0]
            for k in range(CLASSES)
        ],
        axis=1,
    ).astype(bool)


def mapie_lac(p, label, group, new_p, new_group):
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        """A classifier whose inputs are its probabilities."""

        classes_ = np.arange(CLASSES)

        def fit(self, x, y):
            return self

        def predict_proba(self, x):
            return x

        def predict(self, x):
            return x.argmax(axis=1)

        def __sklearn_is_fitted__(self):
            return True

    conformal = SplitConformalClassifier(
        Given(), confidence_level=LEVEL, conformity_score="lac", prefit=True
    )
    conformal.conformalize(p, label)
    return conformal.predict_set(new_p)[1][:, :, 0].astype(bool)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=40)
    args = parser.parse_args()
    forms = {"ours, compounds": ours, "ours, single images": ours_single_images}
    if find_spec("crepes"):
        forms["crepes, by class"] = crepes_by_class
    if find_spec("mapie"):
        forms["MAPIE, lac"] = mapie_lac
    rows = []
    for compounds in (12, 20, 40):
        for spread in (0.0, 0.5, 1.5):
            for repeat in range(args.repeats):
                rng = np.random.default_rng([repeat, compounds])
                p, label, group = world(rng, compounds, spread, "")
                q, truth, new = world(rng, NEW, spread, "new")
                for form, make in forms.items():
                    member = make(p, label, group, q, new)
                    holds = member[np.arange(len(truth)), truth]
                    by_compound = pd.Series(holds).groupby(new).mean()
                    by_class = by_compound.groupby(by_compound.index.str[3]).mean()
                    rows.append(
                        {
                            "compounds": compounds,
                            "spread": spread,
                            "form": form,
                            **{f"class {k}": v for k, v in enumerate(by_class)},
                            "size": member.sum(axis=1).mean(),
                            "empty": (member.sum(axis=1) == 0).mean(),
                        }
                    )
    table = pd.DataFrame(rows).groupby(["compounds", "spread", "form"], sort=False).mean()
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
