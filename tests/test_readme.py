"""What the README shows: every command runs (small settings), and every command is shown."""

import re
import shlex
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from page_studies import write_compounds
from PIL import Image

from bnn_core.commands import cli, study
from bnn_core.recipes.plate_presets import PLATE_PRESETS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Flags that make a training small.
SMALL = {
    "study mnist": "--preset quick --epochs 1 --pool 0 --num-samples 2",
    "study plate": "--preset quick --epochs 1 --num-samples 2 --folds 2 --size 16 --crop 8 "
    "--head-width 8 --pathways 1",
    "study features": "--preset quick --epochs 1 --num-samples 2 --folds 2 --hidden 4",
}
#: Beginnings of commands whose flags are only parsed: they download, serve, or train for long.
PARSED_ONLY = ("data", "study bbbc021", "study demo", "study digits", "fold", "serve")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def shown() -> list[str]:
    """Every `bnn` command of the README, without its comment."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [re.sub(r"\s+#.*", "", line) for line in lines if line.startswith("bnn ")]


def test_every_command_and_kind_of_study_is_shown():
    words = [shlex.split(line)[1:] for line in shown()]
    assert set(cli.COMMANDS) == {argv[0] for argv in words}
    kinds = {argv[1] for argv in words if argv[0] == "study"}
    assert {module.NAME for module in study.STUDY_KINDS} == kinds


@pytest.mark.parametrize("line", shown())
def test_its_flags_exist(line):
    argv = shlex.split(line)[1:]
    assert cli.make_parser(argv[0]).parse_args(argv).command == argv[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with the files that the commands name, and a cache with the study STUDY."""
    folder = tmp_path_factory.mktemp("readme")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(16):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(path)
        rows.append({"path": path.name, "moa": "ab"[number % 2], "compound": f"c{number % 4}"})
    pd.DataFrame(rows).to_csv(folder / "fields.csv", index=False)
    (folder / "plate1").mkdir()
    for number in range(8):
        pixels = rng.integers(0, 999, (20, 20), dtype=np.uint16)
        Image.fromarray(pixels).save(folder / "plate1" / f"p_B{number + 2:02d}_s1_w1.tif")
    wells = {"well": [f"B{i + 2}" for i in range(8)], "compound": list("abcdabcd")}
    pd.DataFrame(wells | {"moa": list("xxyyxxyy")}).to_excel(folder / "platemap.xlsx", index=False)
    p = rng.dirichlet([1, 1], 12)
    table = pd.DataFrame({"label": ["a", "b"] * 6, "p_a": p[:, 0], "p_b": p[:, 1]})
    table.to_csv(folder / "predictions.csv", index=False)
    for stem, n in (("train", 150), ("t10k", 20), ("emnist-byclass-test", 5)):
        images = rng.integers(0, 255, (n, 28, 28), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        for part, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / f"{stem}-{part}-ubyte").write_bytes(head + array.tobytes())
    study_folder = write_compounds(folder / "cache", "STUDY")
    images = pd.read_parquet(study_folder / "images.parquet")
    flagged = pd.DataFrame({"image_id": images["image_id"].head(1), "reason": "label suspect"})
    flagged.assign(decision="unsure").to_excel(folder / "flagged.xlsx", index=False)
    wells = (
        images[["compound", "label"]].drop_duplicates("compound").rename(columns={"label": "moa"})
    )
    wells = pd.concat([wells] * 3, ignore_index=True)
    features = pd.DataFrame(rng.normal(size=(len(wells), 4)), columns=list("wxyz"))
    pd.concat([wells, features], axis=1).to_csv(folder / "profiles.csv", index=False)
    return folder


@pytest.mark.parametrize(
    "line", [line for line in shown() if not line.removeprefix("bnn ").startswith(PARSED_ONLY)]
)
def test_it_runs(line, world, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(world)
    cache = tmp_path / "cache"
    shutil.copytree(world / "cache", cache)
    monkeypatch.setenv("BNN_CACHE", str(cache))
    monkeypatch.setenv("BNN_DATA", str(world))
    argv = shlex.split(line)[1:]
    small = SMALL.get(" ".join(argv[:2]), "").split()
    if argv[:2] == ["predict", "mnist"]:
        assert cli.main(["study", "mnist", *SMALL["study mnist"].split()]) == 0
    capsys.readouterr()
    status = cli.main([*argv, *small])
    output = capsys.readouterr()
    assert status == 0, output.err
    assert output.out.strip()


def test_the_python_example_runs(world, tmp_path, monkeypatch, capsys):
    (example,) = blocks("python")
    assert len([line for line in example.splitlines() if line]) <= 10
    monkeypatch.chdir(tmp_path)
    shutil.copy(world / "predictions.csv", "predictions.csv")
    small = {"epochs": 1, "head_width": 8, "pathways": 1, "crop": 8}
    presets = {
        "default": {m: replace(PLATE_PRESETS["quick"][m], **small) for m in ("vi", "standard")}
    }
    monkeypatch.setattr("bnn_core.recipes.arrays.PLATE_PRESETS", presets)
    compounds = np.repeat(list("abcdef"), 6)
    labels = np.where(compounds < "d", "bright", "dark")
    images = np.random.default_rng(0).integers(0, 255, (36, 2, 16, 16), dtype=np.uint8)
    exec(example, {"images": images, "labels": labels, "compounds": compounds})
    assert Path("report.html").stat().st_size > 1e6
    assert Path("flagged.csv").read_bytes().startswith(b"\xef\xbb\xbfimage_id")
    assert "Estimate(value=" in capsys.readouterr().out


def test_it_is_short_and_names_no_missing_file():
    assert len(README.splitlines()) <= 200
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
