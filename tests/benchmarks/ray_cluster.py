"""Does a Ray cluster that loses a machine or its driver give the same study, bit for bit?

    python tests/benchmarks/ray_cluster.py FOLDER [--compounds 24 --fields 4 --epochs 8]

A local cluster of three nodes (one processor each) trains a drawn screen, standard and Bayesian
networks, those for new plates too (`--deploy`), and predicts new plates:

  here      `bnn study plate` without a cluster
  whole     `--ray` on three nodes
  node      `--ray`; one node is killed (SIGKILL) in the middle of a fold
  driver    `--ray`; the command is killed in the middle of a fold and started again
  predict   `bnn predict --ray` of four plates against `bnn predict` without it

Prints seconds and how many files differ from those of the first run, which a second call with
other --only finds in FOLDER.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from ray.cluster_utils import Cluster

#: Names of files and keys that tell when and how long, not what.
_TIMES = ("seconds.json", "created", "seconds", "checksums", "files", "fingerprint")
_NODE = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}


def draw_screen(folder: Path, compounds: int, fields: int, plates: str, seed: int) -> Path:
    """Pictures of two mechanisms (bright spots, few or many) and their table."""
    folder.mkdir(parents=True)
    chance, rows = np.random.default_rng(seed), []
    for k in range(compounds):
        for i in range(fields):
            picture = chance.integers(0, 60, (48, 48, 3), dtype=np.uint8)
            for y, x in chance.integers(0, 44, (4 + 12 * (k % 2), 2)):
                picture[y : y + 4, x : x + 4] = chance.integers(120, 250)
            name = f"{plates}{k}_{i}.png"
            Image.fromarray(picture).save(folder / name)
            well = f"{'ABCDEFGH'[k % 8]}{k // 8 + 1:02d}"
            plate = f"{plates}{i % 4}"
            rows.append((name, f"c{k}", ("few", "many")[k % 2], plate, well, i + 1))
    names = ["path", "compound", "moa", "plate", "well", "site"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "fields.csv", index=False)
    return folder / "fields.csv"


def command(*words: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "bnn_core", *map(str, words)], stderr=subprocess.PIPE, text=True
    )


def finished(process: subprocess.Popen) -> str:
    errors = process.communicate()[1]
    assert process.returncode == 0, errors[-2000:]
    return errors


def parents(pid: int) -> Iterator[int]:
    """The processes above one."""
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        yield pid


def until_training(making: Path, raylets: list[int], seconds: float = 120) -> tuple[str, int]:
    """Wait until a process under one of some raylets is in the middle of a training, and another
    training is finished; the checkpoint, and the place of its raylet in the list."""
    end = time.time() + seconds
    while time.time() < end:
        for begun in making.glob("folds/*/*/training.pt"):
            lock = making / "folds" / f"{begun.parts[-3]}.{begun.parts[-2]}.lock"
            with suppress(OSError, ValueError):
                above = set(parents(json.loads(lock.read_bytes())["pid"]))
                places = [place for place, raylet in enumerate(raylets) if raylet in above]
                if places and any(making.glob("folds/*/*/prediction.npz")):
                    return str(begun.relative_to(making)), places[0]
        time.sleep(0.05)
    raise AssertionError(f"nothing trains in {making}")


def contents(study: Path) -> dict[str, str]:
    """Digests of all files, without times."""
    digests = {}
    for path in sorted(p for p in study.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.name in ("study.json", "about.json", "source.json"):
            data = json.dumps(_timeless(json.loads(data)), sort_keys=True).encode()
        if path.name not in _TIMES and not path.name.startswith("."):
            digests[str(path.relative_to(study))] = hashlib.sha256(data).hexdigest()
    return digests


def _timeless(value):
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in _TIMES}
    return value


def different(one: Path, other: Path) -> list[str]:
    first, second = contents(one), contents(other)
    return sorted(n for n in first.keys() | second.keys() if first.get(n) != second.get(n))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--compounds", type=int, default=24)
    parser.add_argument("--fields", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--only", nargs="*", default=["whole", "node", "driver", "predict"])
    args = parser.parse_args()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    table = args.folder / "images" / "fields.csv"
    if not table.is_file():
        draw_screen(table.parent, args.compounds, args.fields, "P", 0)
    words = ["study", "plate", table, "--label", "moa", "--size", 32, "--crop", 0, "--title", "s"]
    words += ["--epochs", args.epochs, "--num-samples", 10, "--pathways", 1, "--head-width", 16]
    words += ["--folds", args.folds, "--deploy"]
    start = time.time()
    here = args.folder / "here"
    if not here.is_dir():
        finished(command(*words, "--out", here))
        print(f"here {time.time() - start:.0f} s", flush=True)
    for name in args.only:
        cluster = Cluster(initialize_head=True, head_node_args=_NODE)
        others = [cluster.add_node(**_NODE) for _ in range(2)]
        at, start, out = ["--ray", cluster.address], time.time(), args.folder / name
        try:
            if name == "predict":
                print(predict(args, here, at), flush=True)
                continue
            process, lost = command(*words, "--out", out, *at), ""
            raylets = [node.all_processes["raylet"][0].process.pid for node in others]
            if name in ("node", "driver"):
                lost, place = until_training(out.with_name(f"{name}.making"), raylets)
            if name == "node":
                cluster.remove_node(others[place], allow_graceful=False)
            if name == "driver":
                process.send_signal(signal.SIGKILL)
                process.communicate()
                process = command(*words, "--out", out, *at)
            finished(process)
            odd = different(here, out)
            print(
                f"{name} {time.time() - start:.0f} s, lost at {lost!r}: {len(odd)} files differ",
                odd,
            )
        finally:
            cluster.shutdown()


def predict(args: argparse.Namespace, study: Path, at: list[str]) -> str:
    """New plates by a study, here and on the cluster."""
    table = draw_screen(args.folder / "new", args.compounds, args.fields, "N", 1)
    times = []
    for name, more in (("local", []), ("ray", at)):
        start = time.time()
        words = ["predict", study, f"new={table}", "--label", "moa", *more]
        finished(command(*words, "--out", args.folder / f"predict-{name}"))
        times.append(time.time() - start)
    odd = different(args.folder / "predict-local", args.folder / "predict-ray")
    return f"predict {times[0]:.0f} s here, {times[1]:.0f} s by Ray: {len(odd)} files differ {odd}"


if __name__ == "__main__":
    main()
