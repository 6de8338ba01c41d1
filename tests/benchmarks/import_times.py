"""How long does `bnn import` take, compared with pandas reading the same file? CPU seconds, one thread.

python tests/benchmarks/import_times.py [--rows 1000000] [--profile]

The tables for the pages are made by another process after the import has answered: not counted.

Writes a table of --rows rows and 12 columns (a plate screen, six classes) as CSV and as Parquet into
--folder, unless it is there. Reads each with pandas, then imports it, alternating --repeats times.
"""

import argparse
import cProfile
import pstats
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.recipes.imports import import_predictions

CLASSES = [f"kind{k}" for k in range(6)]


def table(rows: int) -> pd.DataFrame:
    """Plates of 384 wells, 48 compounds; probabilities of six classes."""
    rng = np.random.default_rng(0)
    site = np.arange(rows) % 9 + 1
    well = np.arange(rows) // 9 % 384
    p = rng.dirichlet(np.full(len(CLASSES), 0.5), rows).round(6)
    names = np.array([f"{chr(65 + r)}{c:02d}" for r in range(16) for c in range(1, 25)])
    return pd.DataFrame(
        {
            "plate": np.char.add("P", (np.arange(rows) // (9 * 384)).astype(str)),
            "well": names[well],
            "site": site,
            "compound": np.char.add("compound ", (well % 48).astype(str)),
            "concentration": 0.1 * 3.0 ** (well // 48),
            "label": np.array(CLASSES)[well % 48 % 6],
            **{f"p_{name}": column for name, column in zip(CLASSES, p.T, strict=True)},
        }
    )


def cpu(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "bnn_import")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    files = [args.folder / f"screen{args.rows}.{ending}" for ending in ("csv", "parquet")]
    if not all(file.exists() for file in files):
        screen = table(args.rows)
        screen.to_csv(files[0], index=False)
        screen.to_parquet(files[1], index=False)
    out = args.folder / "study"
    import_predictions(table(1000), out, force=True)  # imports
    print("| file | rows | pandas s | bnn import s | ratio |\n| --- | --- | --- | --- | --- |")
    for file, read in zip(files, (pd.read_csv, pd.read_parquet), strict=True):
        times = [
            (cpu(partial(read, file)), cpu(partial(import_predictions, file, out, force=True)))
            for _ in range(args.repeats)
        ]
        plain, ours = np.min(times, axis=0)
        print(f"| {file.suffix} | {args.rows:,} | {plain:.2f} | {ours:.2f} | {ours / plain:.1f} |")
        if args.profile:
            profiler = cProfile.Profile()
            profiler.runcall(import_predictions, file, out, force=True)
            pstats.Stats(profiler).sort_stats("cumulative").print_stats("bnn_core/", 40)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nPeak memory {peak:.1f} GiB.")


if __name__ == "__main__":
    main()
