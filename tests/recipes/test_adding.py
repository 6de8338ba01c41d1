"""More images for a finished study: the same networks, nothing counted, nothing held in memory."""

import shutil
import struct
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from small_studies import forget_files

from bnn_core.base.errors import InputError
from bnn_core.commands import cli
from bnn_core.datasets.image_sets import ImageSet, numbers
from bnn_core.datasets.mnist import LabelledImages
from bnn_core.networks.settings import TrainConfig
from bnn_core.recipes import adding, image_set_blocks
from bnn_core.recipes.adding import add_images
from bnn_core.recipes.digits import DigitStudy, make_digit_study
from bnn_core.recipes.method_choice import MethodChoice
from bnn_core.recipes.rivals import with_rivals
from bnn_core.study.checking import check_study
from bnn_core.study.folder import open_study, write_table


def pictures(n, seed):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, n)
    images = rng.integers(0, 60, (n, 1, 28, 28), dtype=np.uint8)
    images[np.arange(n), 0, 9 * targets] = 255
    return LabelledImages(images, targets)


def as_set(images, labels, name="more"):
    labels = np.array(labels, dtype=object)
    return ImageSet(name, f"the set {name}", labels, numbers(len(labels)), images.__getitem__)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    source = DigitStudy("digits", "Bars", list("012"), pictures(120, 0), pictures(30, 1))
    configs = {"standard": TrainConfig(bayesian=False, epochs=1), "vi": TrainConfig(epochs=1)}
    return make_digit_study(
        tmp_path_factory.mktemp("adding") / "bars",
        source,
        MethodChoice(configs, num_samples=5),
        pool=0,
    )


@pytest.fixture
def study(made, tmp_path):
    return shutil.copytree(made, tmp_path / "bars")


def test_the_same_networks_predict_and_no_accuracy_counts_them(study, made, monkeypatch):
    monkeypatch.setattr(image_set_blocks, "IMAGES_AT_A_TIME", 8)
    again = pictures(30, 1).images
    labels = ["0"] * 10 + ["g"] * 10 + [None] * 10
    result = open_study(add_images(study, [as_set(again, labels)]))
    before, images = open_study(made), result.images
    assert check_study(result.path) == []
    assert images["role"].tolist() == (
        ["scored"] * 30 + ["shifted"] * 10 + ["new"] * 10 + ["unlabelled"] * 10
    )
    assert images["label"].iloc[30:50].tolist() == labels[:20]
    assert_array_equal(images["content_hash"][30:], images["content_hash"][:30])
    for method in ("vi", "standard"):
        table = result.summary(method)
        pd.testing.assert_frame_equal(table.iloc[:30], before.summary(method), check_dtype=False)
        scores = ["p_0", "p_1", "p_2", "confidence", "epistemic", "mutual_information", "distance"]
        assert_allclose(table[scores].iloc[30:], table[scores].iloc[:30], atol=1e-6)
        assert table["correct"].iloc[30:].isna().all() and table["p_label"].iloc[30:].isna().all()
        assert_array_equal(result.samples(method)[30:], result.samples(method)[:30])
        assert result.meta["metrics"][method] == before.meta["metrics"][method]
    assert_array_equal(result.embedding[30:], result.embedding[:30])
    assert result.thumbnail(35) == result.thumbnail(5)
    assert not (result.path / "adding").exists()
    # The networks came along: what was made once can be made again.
    third = add_images(study, [as_set(again[:3], ["x"] * 3, "third")])
    assert open_study(third).meta["roles"]["new"] == 13
    with pytest.raises(InputError, match="'third' twice; give them another name"):
        add_images(study, [as_set(again[:3], ["x"] * 3, "third")])


def test_a_study_older_than_distances_takes_more_images_without_them(study):
    for cloud in study.glob("folds/*/*/novelty.npz"):
        cloud.unlink()
    forget_files(study)
    more = [as_set(pictures(30, 1).images[:4], ["g"] * 4)]
    part = open_study(add_images(study, more, out=study.with_name("part")))
    assert part.summary("vi")["distance"].notna().tolist() == [True] * 30 + [False] * 4
    for path in study.glob("summary/*.parquet"):
        write_table(path, pd.read_parquet(path).drop(columns="distance"))
    forget_files(study)
    assert "distance" not in open_study(add_images(study, more, force=True)).summary("vi")


def test_an_interrupted_run_goes_on_and_the_study_stays_whole_meanwhile(study, monkeypatch):
    monkeypatch.setattr(image_set_blocks, "IMAGES_AT_A_TIME", 10)
    whole, reads = pictures(40, 2).images, []

    def read(rows):
        reads.append(rows)
        if len(reads) == 6:
            raise KeyboardInterrupt
        return whole[rows]

    images = replace(as_set(whole, ["g"] * 40), read=read)
    with pytest.raises(KeyboardInterrupt):
        add_images(study, [images])
    assert open_study(study).meta["rows"] == 30 and adding.adding_to(study)
    done = len(reads) - 1
    add_images(study, [images])
    # 4 blocks to look at, then by each of 2 methods: none that was done is done again.
    assert len(reads) == 1 + 3 * 4 and done == 5
    assert open_study(study).meta["rows"] == 70 and check_study(study) == []
    assert not adding.adding_to(study)


def test_a_disk_too_full_for_a_copy_of_the_study_is_not_filled_further(study, monkeypatch):
    def full(source, target, **how):
        raise shutil.Error([(source, target, "[Errno 28] No space left on device: 'a'")])

    before = open_study(study).fingerprint
    monkeypatch.setattr(adding.shutil, "copytree", full)
    with pytest.raises(InputError, match=r"No space left on device \(.*B are needed\)"):
        add_images(study, [as_set(pictures(3, 2).images, ["0"] * 3)])
    assert not study.with_name("bars.making").exists()
    assert open_study(study).fingerprint == before


def test_memory_depends_on_the_block_alone(study, tmp_path, monkeypatch):
    monkeypatch.setattr(image_set_blocks, "IMAGES_AT_A_TIME", 50)
    most = []

    def read(rows):
        most.append(rows.stop - rows.start)
        return np.zeros((rows.stop - rows.start, 1, 28, 28), np.uint8)

    images = ImageSet("many", "many", np.array(["g"] * 1230, dtype=object), numbers(1230), read)
    limit = 1000 * 5 * 3 * 2
    with pytest.raises(InputError, match="give --out NAME"):
        add_images(study, [images], most_sample_bytes=limit)
    out = add_images(study, [images], out=tmp_path / "big", most_sample_bytes=limit)
    result = open_study(out)
    assert max(most) == 50 and sum(most) == 3 * 1230
    assert result.meta["rows"] == 1260 and result.samples("vi") is None
    assert any("no samples are kept" in note for note in result.meta["notes"])
    # One network's worth of samples is small enough to stay.
    assert len(result.samples("standard")) == 1260
    assert check_study(out) == []


def test_one_bad_file_of_a_folder_is_left_out_and_named(study, tmp_path, capsys):
    folder = tmp_path / "shown"
    (folder / "g").mkdir(parents=True)
    for k, image in enumerate(pictures(5, 3).images[:, 0]):
        Image.fromarray(image).save(folder / "g" / f"{k}.png")
    whole = (folder / "g" / "1.png").read_bytes()
    (folder / "g" / "1.png").write_bytes(whole[: len(whole) // 2])
    argv = ["predict", str(study), str(folder)]
    assert cli.main(argv) == 0
    said = capsys.readouterr().out
    assert "1 of 5 images of the folder shown cannot be read and was left out" in said
    assert "1.png" in said
    result = open_study(study)
    added = result.images[result.images["source"] == "shown"]
    assert added["image_id"].tolist() == [f"shown/g/{k}.png" for k in (0, 2, 3, 4)]
    assert any("1.png" in note for note in result.meta["notes"]) and check_study(study) == []
    for k in (0, 2):
        (folder / "g" / f"{k}.png").write_bytes(b"no image")
    assert cli.main([argv[0], argv[1], f"again={folder}"]) == 2
    assert "3 of 5 images cannot be read" in capsys.readouterr().err
    assert open_study(study).meta["rows"] == 34


def test_letters_are_part_of_making_a_study(tmp_path, monkeypatch, capsys):
    def idx(name, array):
        head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        (tmp_path / name).write_bytes(head + array.astype(np.uint8).tobytes())

    for stem, n in (("train", 150), ("t10k", 20)):
        drawn = pictures(n, n)
        idx(f"{stem}-images-idx3-ubyte", drawn.images[:, 0])
        idx(f"{stem}-labels-idx1-ubyte", drawn.targets)
    idx("emnist-byclass-test-images-idx3-ubyte", pictures(3, 5).images[:, 0])
    idx("emnist-byclass-test-labels-idx1-ubyte", np.array([1, 10, 40]))
    out = tmp_path / "made"
    argv = [
        "study",
        "mnist",
        "--data",
        str(tmp_path),
        "--out",
        str(out),
        "--ood",
        "emnist",
        "--preset",
        "quick",
        "--epochs",
        "1",
        "--pool",
        "0",
        "--num-samples",
        "3",
    ]

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(image_set_blocks.ImageSetBlock, "look", interrupted)
        assert cli.main(argv) == 130
    assert open_study(out).meta["rows"] == 20
    # The same command again trains nothing and adds the letters.
    assert cli.main(argv) == 0
    assert "train" not in capsys.readouterr().err.split("interrupted")[-1]
    images = open_study(out).images
    assert images["label"].iloc[20:].tolist() == ["1", "A", "e"]
    assert images["role"].iloc[20:].tolist() == ["shifted", "new", "new"]
    assert cli.main(argv) == 2
    assert "--force" in capsys.readouterr().err


def test_the_command(study, tmp_path, capsys):
    np.savez(tmp_path / "letters.npz", images=pictures(4, 3).images[:, 0], labels=list("abba"))
    argv = ["predict", str(study), str(tmp_path / "letters.npz"), "--out", str(tmp_path / "two")]
    assert cli.main(argv) == 0
    assert open_study(tmp_path / "two").meta["roles"]["new"] == 4
    assert open_study(study).meta["rows"] == 30
    assert cli.main([*argv, "--force", "--role", "shifted"]) == 0
    assert open_study(tmp_path / "two").meta["roles"]["shifted"] == 4
    capsys.readouterr()
    shutil.rmtree(study / "folds")
    assert cli.main([*argv, "--force"]) == 2
    assert "keeps no networks of the method" in capsys.readouterr().err


def test_every_method_predicts_more_images_with_the_same_networks(tmp_path):
    every = with_rivals(
        {"standard": TrainConfig(bayesian=False, epochs=1), "vi": TrainConfig(epochs=1)}, members=2
    )
    configs = {m: every[m] for m in ("laplace", "standard", "temperature", "dropout", "ensemble")}
    source = DigitStudy("digits", "Bars", list("012"), pictures(120, 0), pictures(30, 1))
    choice = MethodChoice(configs, num_samples=5)
    study = open_study(make_digit_study(tmp_path / "bars", source, choice, pool=0))
    again = as_set(pictures(30, 1).images, ["g"] * 30)
    result = open_study(add_images(study.path, [again], out=tmp_path / "more"))
    assert study.meta["embedding_of"] == study.reading_method == "ensemble"
    assert_allclose(result.embedding[30:], study.embedding, atol=1e-2)
    for method in study.methods:
        p = [f"p_{name}" for name in "012"]
        assert_allclose(result.summary(method)[p].iloc[30:], study.summary(method)[p], atol=1e-5)
        assert result.samples(method).shape[1] == study.samples(method).shape[1]
