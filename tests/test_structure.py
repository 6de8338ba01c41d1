"""The house: its wings, which import one way, and modules short enough to read."""

import ast
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import bnn_core

ROOT = Path(bnn_core.__file__).parents[1]
#: Each wing may import itself and those before it.
WINGS = (
    "base",
    "measures",
    "images",
    "networks",
    "study",
    "tables",
    "datasets",
    "suspects",
    "review",
    "recipes",
    "figures",
    "commands",
)
#: Lines of code, without blank lines, comments and docstrings.
MOST_LINES = 330
#: Lines of a function's body, without its docstring.
MOST_BODY_LINES = 60
ENGINE = sorted((ROOT / "bnn_core").rglob("*.py"))
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported(path: Path) -> set[str]:
    """Names of all modules that a file imports, those within functions too."""
    names = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name_of(path)}: write imports in full"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def lines_of_code(path: Path) -> int:
    text = path.read_text()
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docstrings = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            docstrings |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") and number not in docstrings
        for number, line in enumerate(text.splitlines(), start=1)
    )


def test_the_wings_are_these():
    folders = {p.name for p in (ROOT / "bnn_core").iterdir() if (p / "__init__.py").is_file()}
    assert folders == set(WINGS)


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_imports_only_itself_and_those_before_it(wing):
    allowed = WINGS[: WINGS.index(wing) + 1]
    back = {
        f"{name_of(path)} imports {name}"
        for path in (ROOT / "bnn_core" / wing).rglob("*.py")
        for name in imported(path)
        if name.startswith("bnn_core.") and name.split(".")[1] in set(WINGS) - set(allowed)
    }
    assert not back


def test_the_engine_needs_no_streamlit_and_no_pages():
    tied = {
        name_of(path)
        for path in ENGINE
        if any(name.split(".")[0] in ("streamlit", "pages", "app") for name in imported(path))
    }
    assert not tied


def test_only_the_command_itself_imports_commands():
    inside = ROOT / "bnn_core" / "commands"
    users = {
        name_of(path)
        for path in [*ENGINE, *PAGES]
        if inside not in path.parents
        and any(name.startswith("bnn_core.commands") for name in imported(path))
    }
    assert users == {"bnn_core/__main__.py"}


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_says_in_one_line_what_it_holds(wing):
    tree = ast.parse((ROOT / "bnn_core" / wing / "__init__.py").read_text())
    docstring = ast.get_docstring(tree, clean=False)
    assert docstring and "\n" not in docstring and docstring.endswith(".")
    assert len(tree.body) == 1


def public_names(path: Path) -> set[str]:
    """Functions, classes and constants that a module defines for others."""
    names = set()
    for node in tree_of(path).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {n.id for target in targets for n in ast.walk(target) if hasattr(n, "id")}
    return {name for name in names if not name.startswith("_")}


def test_a_name_means_one_thing_in_the_engine():
    """Commands apart, which all have `NAME`, `HELP`, `arguments` and `run`; methods have `PROCEDURE`."""
    modules = [path for path in ENGINE if path.parent.name not in ("commands", "methods")]
    homes = Counter(name for path in modules for name in public_names(path))
    assert {name for name, count in homes.items() if count > 1} == set()


def test_a_page_names_nothing_like_the_engine():
    engine = {name for path in ENGINE for name in functions_and_classes(path)}
    shared = {
        f"{name_of(path)}: {name}"
        for path in PAGES
        for name in functions_and_classes(path) & engine
    }
    assert not shared


def functions_and_classes(path: Path) -> set[str]:
    return {
        node.name
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }


def test_a_class_has_a_name_of_its_own_in_engine_and_pages():
    homes = Counter(
        node.name
        for path in [*ENGINE, *PAGES]
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in homes.items() if count > 1} == set()


def test_modules_are_short_enough_to_read():
    lines = {name_of(path): lines_of_code(path) for path in [*ENGINE, *PAGES]}
    assert {n: k for n, k in lines.items() if k > MOST_LINES} == {}


def test_functions_are_short_enough_to_read():
    long = {}
    for path in [*ENGINE, *PAGES]:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[ast.get_docstring(node) is not None :]
                count = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                if count > MOST_BODY_LINES:
                    long[f"{name_of(path)}: {node.name}"] = count
    assert long == {}


def test_html_is_written_in_templates_only():
    """Templates escape what is put into them; Plotly's own marks (<b>, <br>, <span>) are no HTML."""
    tag = re.compile(r"</?(a|button|div|h[1-6]|img|li|p|rect|style|svg|table|t[dhr]|ul)\b[^>]*>?")
    writers = {
        f"{name_of(path)}:{node.lineno}: {node.value[:40]!r}"
        for path in [*ENGINE, *PAGES]
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and tag.search(node.value)
    }
    assert not writers


def test_pillow_opens_named_formats_only():
    for path in ENGINE + PAGES:
        for call in re.findall(r"Image\.open\(.*", path.read_text(encoding="utf-8")):
            assert "formats=" in call, name_of(path)


def test_the_constraints_name_a_version_of_every_dependency_and_nothing_else():
    lines = (ROOT / ".constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    names = [re.fullmatch(r"([a-z0-9-]+)==[0-9][0-9a-z.]*", pin)[1] for pin in pins]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *extras["test"],
        *extras["fast"],
        *extras["login"],
        *extras["cluster"],
    ]
    assert {re.match(r"[A-Za-z0-9-]+", text)[0].lower() for text in wanted} <= set(names)
