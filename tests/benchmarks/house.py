"""How is the code arranged: modules and imports of wings, repeats, long functions, one image's walk.

    python tests/benchmarks/house.py

The walk: calls between wings while networks are trained on 24 drawn images and predict them. Files are
decoded in processes of their own, which are not traced (`datasets` calls `images` there).
"""

import ast
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

import bnn_core as bnn

ROOT = Path(bnn.__file__).parent


def wing_of(path: Path) -> str:
    inside = path.relative_to(ROOT).parts
    return inside[0] if len(inside) > 1 else ""


def imports() -> Counter:
    """(wing, wing that it imports from) -> number of imports."""
    counts = Counter()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            parts = (module or "").split(".")
            if parts[0] == "bnn_core" and len(parts) > 1 and parts[1] != wing_of(path):
                counts[wing_of(path), parts[1]] += 1
    return counts


def repeats(lines: int = 6) -> int:
    """Runs of so many lines of code that occur twice, without imports and comments."""
    places = defaultdict(set)
    for path in [*ROOT.rglob("*.py"), *(ROOT.parent / "pages").rglob("*.py")]:
        code = [(i, text.strip()) for i, text in enumerate(path.read_text().splitlines())]
        code = [(i, t) for i, t in code if t and not t.startswith(("#", "from ", "import "))]
        for start in range(len(code) - lines + 1):
            part = code[start : start + lines]
            if sum(len(text) for _, text in part) > 80:  # not brackets alone
                places[tuple(text for _, text in part)].add((path, part[0][0]))
    return sum(len(homes) > 1 for homes in places.values())


def longest_functions() -> list[int]:
    """Lines of the bodies of all functions, longest first."""
    sizes = []
    for path in [*ROOT.rglob("*.py"), *(ROOT.parent / "pages").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[ast.get_docstring(node) is not None :]
                sizes.append(body[-1].end_lineno - body[0].lineno + 1 if body else 0)
    return sorted(sizes, reverse=True)


def calls_between_wings() -> dict[tuple[str, str], str]:
    """(wing, wing that it calls) -> the first such call, while a small study is made."""
    calls: dict[tuple[str, str], str] = {}

    def wing(frame) -> str:
        path = Path(frame.f_code.co_filename)
        return wing_of(path) if ROOT in path.parents else ""

    def note(frame, event, _):
        if event != "call" or wing(frame) in ("", "base") or frame.f_code.co_name == "<module>":
            return
        caller = frame.f_back
        while caller is not None and wing(caller) in ("", "base"):
            caller = caller.f_back
        if caller is not None and wing(caller) != wing(frame):
            pair = wing(caller), wing(frame)
            calls.setdefault(pair, f"{caller.f_code.co_name} → {frame.f_code.co_name}")

    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (24, 1, 28, 28), dtype=np.uint8)
    settings = {"network": "lenet5", "epochs": 1, "crop": 0, "start": "random"}
    with tempfile.TemporaryDirectory() as folder:
        sys.setprofile(note)
        bnn.study_from_arrays(
            images,
            np.repeat(["a", "b"], 12),
            groups=np.repeat(["c", "d", "e", "f"], 6),
            out=Path(folder) / "made",
            methods=["vi"],
            folds=2,
            num_samples=3,
            augmentation="none",
            **settings,
        )
        sys.setprofile(None)
    return calls


if __name__ == "__main__":
    modules = Counter(wing_of(p) for p in ROOT.rglob("*.py") if p.name != "__init__.py")
    print("modules", sum(modules.values()), dict(modules))
    between = imports()
    print("imports between wings", sum(between.values()), "pairs of wings", len(between))
    print("repeats of six lines", repeats())
    sizes = longest_functions()
    print("functions", len(sizes), "over 60 lines", sum(size > 60 for size in sizes))
    for pair, call in sorted(calls_between_wings().items()):
        print(f"{pair[0]} calls {pair[1]}: {call}")
