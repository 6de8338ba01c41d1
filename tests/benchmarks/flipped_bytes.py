"""Does `bnn check` find one changed byte in any file of a study?

    PYTHONPATH=. python tests/benchmarks/flipped_bytes.py cache/demo --tries 500

Copies the study, changes one random byte of one file to another random value, checks, and puts the
byte back. Files take turns by kind (the last part of a name without its digits), so that a few
large files do not hide many small ones. Prints changes found and tried, by kind.
"""

import argparse
import random
import re
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path

from bnn_core.base.errors import InputError
from bnn_core.study.checking import check_study


def kinds_of(study: Path) -> dict[str, list[Path]]:
    """Files of a study by kind, such as "history.csv" or "pictures *.jpg"."""
    kinds = defaultdict(list)
    for path in sorted(study.rglob("*")):
        if path.is_file():
            first = path.relative_to(study).parts[0]
            name = f"{first} *{path.suffix}" if first == "pictures" else path.name
            kinds[re.sub(r"\d+", "#", name)].append(path)
    return kinds


def is_noticed(study: Path) -> bool:
    """Whether `bnn check` finds anything to complain of."""
    try:
        return bool(check_study(study))
    except InputError:
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--tries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    noticed, tried = defaultdict(int), defaultdict(int)
    with tempfile.TemporaryDirectory() as folder:
        study = Path(shutil.copytree(args.study, Path(folder) / "study"))
        assert check_study(study) == []
        kinds = kinds_of(study)
        for number in range(args.tries):
            kind = sorted(kinds)[number % len(kinds)]
            path = random.choice(kinds[kind])
            whole = path.read_bytes()
            place = random.randrange(len(whole))
            changed = whole[place] ^ random.randrange(1, 256)
            path.write_bytes(whole[:place] + bytes([changed]) + whole[place + 1 :])
            tried[kind] += 1
            if is_noticed(study):
                noticed[kind] += 1
            else:
                print(f"missed: {path.relative_to(study)} byte {place}")
            path.write_bytes(whole)
        assert check_study(study) == []
    for kind in sorted(tried):
        print(f"{kind:<24} {noticed[kind]} of {tried[kind]}")
    print(f"{'all':<24} {sum(noticed.values())} of {sum(tried.values())}")


if __name__ == "__main__":
    main()
