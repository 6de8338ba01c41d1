"""The command: a whole small run, resumed; help; one clear line for each bad input."""

import json
import re
import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest

from bnn_core.commands import cli
from bnn_core.recipes import fold
from bnn_core.study.checking import check_study
from bnn_core.study.folder import open_study

SMALL = [
    "--train-images",
    "200",
    "--test-images",
    "40",
    "--epochs",
    "1",
    "--num-samples",
    "4",
    "--pool",
    "6",
    "--pool-images",
    "20",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("studies") / "digits"
    assert cli.main(["study", "digits", "--out", str(out), *SMALL]) == 0
    return out


def run(capsys, *argv):
    """(status, printed, complaint) of one command."""
    status = cli.main([str(a) for a in argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_study_from_nothing(made):
    study = open_study(made)
    assert study.methods == ["vi", "standard"]
    assert study.meta["synthetic"] is True
    assert study.samples("vi").shape == (40, 4, 10)
    assert study.thumbnail(0)[:4] == b"RIFF"
    assert set(study.sample_size()["num_samples"]) == {1, 5, 6}
    assert study.history(0, "vi")["epoch"].tolist() == [1]
    assert check_study(made) == []
    assert not list(made.parent.glob("*.making"))


def test_paths_that_cannot_be_are_one_line(made, capsys):
    long = "x" * 5000
    for words in (
        ("check", long), ("list", "--cache", long), ("predict", made, long), ("fold", long, 0),
        ("report", made, "--out", long), ("report", made, "--out", ""), ("predict", made, f"{long}.npz"),
        ("check", "/"), ("export", "/", "--out", "x.csv"),
    ):  # fmt: skip
        status, _, complaint = run(capsys, *words)
        reason = "too long|names no file|cannot be a study"
        assert status == 2 and re.fullmatch(f"bnn: .*({reason}).*\n", complaint)


def test_check_list_and_damage(made, tmp_path, capsys):
    shutil.copytree(made, tmp_path / "digits")
    assert run(capsys, "check", tmp_path / "digits") == (0, f"{tmp_path / 'digits'}: sound\n", "")
    status, out, _ = run(capsys, "list", "--cache", tmp_path)
    assert status == 0
    assert re.search(r"digits +40 images +\d{4}-\d\d-\d\d  Synthetic digits", out)
    (tmp_path / "begun.making").mkdir()
    listed = json.loads(run(capsys, "list", "--cache", tmp_path, "--json")[1])
    assert listed["unfinished"] == ["begun"]
    (entry,) = listed["studies"]
    assert (entry["name"], entry["rows"], entry["problem"]) == ("digits", 40, None)
    assert entry["path"] == str(tmp_path / "digits")
    checked = json.loads(run(capsys, "check", tmp_path / "digits", "--json")[1])
    assert checked["sound"] and checked["problems"] == []
    (tmp_path / "digits/embedding.npy").unlink()
    status, out, err = run(capsys, "check", "digits", "--cache", tmp_path)
    assert (status, out) == (2, "")
    assert "embedding.npy is missing" in err
    status, out, _ = run(capsys, "check", "digits", "--cache", tmp_path, "--json")
    report = json.loads(out)
    assert status == 2 and not report["sound"]
    assert report["problems"][0].startswith("embedding.npy")


def test_interrupted_and_run_again_gives_the_same_study(made, tmp_path, monkeypatch, capsys):
    argv = ["study", "digits", "--out", tmp_path / "again", *SMALL]
    real = fold.predict_batches

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(fold, "predict_batches", interrupt)
    handler = signal.getsignal(signal.SIGINT)
    status, _, err = run(capsys, *argv)
    signal.signal(signal.SIGINT, handler)
    assert status == 130
    assert "run the same command again" in err
    assert not (tmp_path / "again").exists()
    assert "again                unfinished" in run(capsys, "list", "--cache", tmp_path)[1]
    monkeypatch.setattr(fold, "predict_batches", real)
    assert run(capsys, *argv)[0] == 0
    pd.testing.assert_frame_equal(
        open_study(tmp_path / "again").summary("vi"), open_study(made).summary("vi")
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["check", "nowhere"], "no study at"),
        (["study", "digits", "--epochs", "0"], "--epochs 0 is too small; give at least 1"),
        (["study", "digits", "--epochs", "many"], "--epochs 'many' is not a whole number"),
        (
            ["study", "digits", "--epochs", "dropout=3"],
            "no method 'dropout'; choose one of vi, standard",
        ),
        (
            ["study", "digits", "--methods", "vi,magic"],
            "no method 'magic'; choose from vi, standard",
        ),
        (["study", "digits", "--methods", ","], "list of methods"),
        (
            ["study", "digits", "--methods", "laplace", "--train-images", "100"],
            "add standard",
        ),
        (["study", "digits", "--members", "3"], "a setting of ensemble alone; add ensemble"),
        (
            ["study", "digits", "--methods", "standard,dropout", "--dropout", "standard=0.5"],
            "--dropout standard=0.5 is a setting of dropout alone",
        ),
        (
            ["study", "digits", "--methods", "standard,laplace", "--epochs", "laplace=3"],
            "give --epochs standard=3",
        ),
        (["study", "digits", "--prior", "flat"], "choose one of mixture, gaussian"),
        (["study", "digits", "--learning-rate", "nan"], "not a finite number"),
        (["study", "digits", "--device", "cuda:99"], "--device cuda:99 cannot be used here"),
        (["study", "mnist", "--data", "/no/such/folder"], "'bnn data mnist'"),
        (
            ["study", "mnist", "--num-samples", "auto", "--preset", "paper"],
            "--num-samples auto does not go with --preset paper",
        ),
        (["fold", "nowhere", "0"], "no unfinished study"),
    ],
)
def test_bad_input_is_one_line_and_status_2(argv, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BNN_CACHE", str(tmp_path / "cache"))
    status, out, err = run(capsys, *argv)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("bnn: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["study", "digits", "--num-samples", "0"], "study digits: --num-samples: 0 is too small"),
        (["study", "bbbc021", "--pixel-size", "0"], "--pixel-size"),
        (["study", "plate", "x.csv", "--pixel-size", "nan"], "--pixel-size"),
        (["import", "x.csv", "--pixel-size", "half"], "--pixel-size"),
        (["study"], "missing: KIND"),
        ([], "missing: COMMAND"),
        (["check"], "missing: STUDY"),
        (["stduy"], "COMMAND 'stduy' is unknown (did you mean 'study'?)"),
        (["study", "plat", "x.csv"], "KIND 'plat' is unknown (did you mean 'plate'?)"),
        (["study", "mnist", "--preset", "defualt"], "(did you mean 'default'?)"),
        (["study", "plate", "x.csv", "--lable", "moa"], "--lable (did you mean '--label'?)"),
        (["study", "digits", "--epohcs=3"], "--epohcs=3 (did you mean '--epochs'?)"),
        (["check", "demo", "more"], "unknown: more"),
        (["study", "digits", "--methods", "vi,standrad"], "(did you mean 'standard'?)"),
        (["check", "demmo"], "(did you mean 'demo'?)"),
    ],
)
def test_a_typing_mistake_is_one_line_that_says_what_was_meant(argv, message, capsys):
    status, out, err = run(capsys, *argv)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("bnn: ") and err.count("\n") == 1


def test_every_command_explains_itself(capsys):
    for argv in [
        [],
        *([name] for name in cli.COMMANDS),
        ["study", "mnist"],
        ["study", "digits"],
        ["study", "plate"],
    ]:
        with pytest.raises(SystemExit) as stopped:
            cli.main([*argv, "--help"])
        assert stopped.value.code == 0
        assert len(capsys.readouterr().out) > 200


def test_one_flag_for_one_network(tmp_path, capsys):
    argv = ["study", "digits", "--out", tmp_path / "s", *SMALL, "--pool", "0", "--epochs", "vi=2"]
    assert run(capsys, *argv)[0] == 0
    methods = open_study(tmp_path / "s").meta["methods"]
    assert (methods["standard"]["epochs"], methods["vi"]["epochs"]) == (1, 2)
    assert open_study(tmp_path / "s").sample_size() is None


@pytest.mark.parametrize("argv", [["list"], ["list", "--json"], ["--help"], ["lst"]], ids=str)
def test_small_commands_import_nothing_large(argv):
    script = (
        "import sys\n"
        "from bnn_core.commands import cli\n"
        "try:\n"
        f"    cli.main({argv})\n"
        "except SystemExit:\n"
        "    pass\n"
        "large = {'torch', 'pandas', 'pyarrow', 'numpy', 'scipy'} & set(sys.modules)\n"
        "assert not large, large"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
