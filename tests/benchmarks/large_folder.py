"""A folder of full-size fields through `bnn study plate` and `bnn predict`: images per second, peak
memory, and a kill in the middle of reading.

  python tests/benchmarks/large_folder.py /scratch/folder --fields 3000

Writes fields of 1024 x 1280 pixels, 3 channels of 16 bit, a file each, named as by an ImageXpress
(7.9 MB a field), and plate maps; deletes nothing. The first half of the plates is trained on with
small networks (the reading is what is measured), the second half is predicted.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import tifffile

SITES, WELLS = 4, [f"{row}{column:02d}" for row in "BCDEFG" for column in range(2, 12)]
SHAPE = (1024, 1280)
SMALL = "--preset quick --epochs 1 --head-width 16 --pathways 1 --num-samples 4 --folds 2"


def write_fields(folder: Path, fields: int) -> None:
    """Cells on a background: windows of one large scene with noise of their own."""
    rng = np.random.default_rng(0)
    scene = rng.normal(300, 20, (2048, 2560)).astype(np.float32)
    yy, xx = np.mgrid[-24:25, -24:25]
    spot = np.exp(-(yy**2 + xx**2) / 200)
    for _ in range(1500):
        y, x = rng.integers(0, 2048 - 49), rng.integers(0, 2560 - 49)
        scene[y : y + 49, x : x + 49] += rng.uniform(300, 3000) * spot
    noise = rng.normal(0, 15, (2048, 2560)).astype(np.float32)
    per_plate = SITES * len(WELLS)
    for number in range(fields):
        plate, rest = divmod(number, per_plate)
        half = "old" if number < fields // 2 else "new"
        inside = folder / half / f"plate{plate + 1}" / "TimePoint_1"
        inside.mkdir(parents=True, exist_ok=True)
        for channel in (1, 2, 4):
            y, x = rng.integers(0, 1024), rng.integers(0, 1280)
            v, u = rng.integers(0, 1024), rng.integers(0, 1280)
            window = scene[y : y + SHAPE[0], x : x + SHAPE[1]]
            image = (
                window * (1 + (rest // SITES) % 4 / 8) + noise[v : v + SHAPE[0], u : u + SHAPE[1]]
            )
            name = f"scr_{WELLS[rest // SITES]}_s{rest % SITES + 1}_w{channel}.tif"
            tifffile.imwrite(inside / name, image.clip(0, 65535).astype(np.uint16))
    lines = [f"{well},c{i % 8},{'XY'[i % 8 // 4]}\n" for i, well in enumerate(WELLS)]
    (folder / "map.csv").write_text("well,compound,moa\n" + "".join(lines))


def peak(process: int) -> float:
    """The most memory (MB) that a process and its children held so far."""
    most = 0.0
    for pid in [process, *children(process)]:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        most = max(
            most, *(float(x.split()[1]) / 1e3 for x in status.splitlines() if "VmHWM" in x), 0
        )
    return most


def children(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


def bnn(words: list[str], kill_after: float | None = None) -> dict[str, float]:
    """Run a command; `kill_after` seconds end it with SIGKILL. Seconds, peak MB, exit status."""
    start, most = time.time(), [0.0]
    process = subprocess.Popen(
        [sys.executable, "-m", "bnn_core", *words],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def watch() -> None:
        while process.poll() is None:
            most[0] = max(most[0], peak(process.pid))
            time.sleep(0.5)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        process.wait(kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    watcher.join()
    return {"seconds": time.time() - start, "MB": most[0], "status": process.returncode}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fields", type=int, default=3000)
    parser.add_argument("--kill-after", type=float, default=60, help="seconds")
    args = parser.parse_args()
    start = time.time()
    if not (args.folder / "map.csv").is_file():
        write_fields(args.folder, args.fields)
    print(f"wrote {args.fields} fields in {time.time() - start:.0f} s", flush=True)
    study = args.folder / "study"
    layout = ["--layout", str(args.folder / "map.csv")]
    plan = ["study", "plate", str(args.folder / "old"), *layout, "--out", str(study)]
    plan += ["--size", "96", *SMALL.split()]
    for name, words, seconds in (
        ("names only", [*plan, "--dry-run"], None),
        ("read, killed", [*plan, "--prepare-only"], args.kill_after),
        ("read, the rest", [*plan, "--prepare-only"], None),
        ("train and assemble", plan, None),
        (
            "predict, killed",
            ["predict", str(study), str(args.folder / "new"), *layout],
            args.kill_after,
        ),
        ("predict, the rest", ["predict", str(study), str(args.folder / "new"), *layout], None),
    ):
        print(name, bnn(words, seconds), flush=True)
    subprocess.run([sys.executable, "-m", "bnn_core", "check", str(study)], check=False)


if __name__ == "__main__":
    main()
