"""The paths of tests/benchmarks/gpu.py on a CPU, at sizes that say nothing about speed."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("gpu_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_script", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "field_rate", lambda *a: (1.0, 0.0))  # seconds of waiting
    return module


def test_every_section_measures_and_its_checks_hold(script, tmp_path):
    assert script.main(["--device", "cpu", "--tiny", "--out", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "gpu.json").read_text())
    assert {row["section"] for row in rows} == set(script.SECTIONS)
    values = [row["value"] for row in rows if row["unit"] in ("s", "ms", "images/s")]
    assert len(values) > 20 and all(value > 0 for value in values)
    assert len((tmp_path / "gpu.md").read_text().splitlines()) == len(rows) + 2


def test_a_wrong_number_is_a_failed_check(script, tmp_path, monkeypatch):
    real, calls = script.predict, []

    def off_by_a_little(*args, samples, **kwargs):
        result = real(*args, samples=samples, **kwargs)
        calls.append(samples)
        if len(calls) == 1:
            samples += 1e-4
        return result

    monkeypatch.setattr(script, "predict", off_by_a_little)
    arguments = ["--device", "cpu", "--tiny", "--out", str(tmp_path), "--only", "check"]
    assert script.main(arguments) == 1


def test_no_gpu_and_unknown_sections_are_errors_at_the_start(script, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="no GPU"):
        script.main(["--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="no section nothing"):
        script.main(["--device", "cpu", "--out", str(tmp_path), "--only", "nothing"])
