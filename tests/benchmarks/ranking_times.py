"""How long does the ranking of suspect compounds take? CPU seconds, with all 500 resamples.

OMP_NUM_THREADS=1 PYTHONPATH=. python tests/benchmarks/ranking_times.py [--wells 10000 100000]

One image per well, twelve classes, wells dealt to compounds in turn; the best of --repeats runs.
"""

import argparse
import time

import numpy as np
import pandas as pd

from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.suspects.ranking import rank

CLASSES = [f"kind {k:02d}" for k in range(12)]


def screen(wells: int, compounds: int) -> pd.DataFrame:
    """A table of images that are mostly predicted right."""
    rng = np.random.default_rng(0)
    number, compound = np.arange(wells), np.arange(wells) % compounds
    truth = compound % len(CLASSES)
    logits = rng.normal(size=(wells, len(CLASSES)))
    logits[number, truth] += 3
    p = np.exp(logits)
    images = pd.DataFrame(
        {
            "label": pd.Series(np.array(CLASSES)[truth], dtype="str"),
            "role": "scored",
            "fold": compound % 6,
            "compound": np.char.add("c", compound.astype(str)),
            "plate": np.char.add("P", (number // 384).astype(str)),
            "well": [f"{chr(65 + i % 16)}{i // 16 % 24 + 1:02d}" for i in number],
            "batch": np.char.add("W", (number // 10_000).astype(str)),
        }
    )
    summary = summarise(
        Moments(p / p.sum(axis=1, keepdims=True)), CLASSES, images["label"].to_numpy(object)
    )
    return pd.concat([images, summary], axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--wells", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--compounds", type=int, nargs="+", default=[40, 400, 4000])
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    print("| wells | " + " | ".join(f"{k:,} compounds" for k in args.compounds) + " |")
    print("| --- |" + " --- |" * len(args.compounds))
    for wells in args.wells:
        cells = []
        for compounds in args.compounds:
            table, times = screen(wells, compounds), []
            for _ in range(args.repeats):
                start = time.process_time()
                rank(table, CLASSES, "compound", resamples=500)
                times.append(time.process_time() - start)
            cells.append(f"{min(times):.1f}")
        print(f"| {wells:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
