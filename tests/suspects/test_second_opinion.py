import numpy as np
import pandas as pd
import pytest
from screens import CLASSES, calling, published_table, screen, with_summary
from study_writing import write_study

from bnn_core.base.errors import InputError
from bnn_core.commands.cli import main
from bnn_core.study.checking import check_study
from bnn_core.suspects.ranking import rank
from bnn_core.suspects.second_opinion import (
    Profiles,
    opinion,
    read_opinion,
    read_profiles,
    write_opinion,
)


def profiles(seed: int = 0) -> pd.DataFrame:
    """Wells of `screen` and DMSO with ten features; class k shifts feature k by 4."""
    rng = np.random.default_rng(seed)
    wells = screen(images_per_well=1).drop(columns=["image_id", "site", "fold"])
    dmso = wells.drop_duplicates("plate").assign(compound="DMSO", label="DMSO", concentration=0.0)
    wells = pd.concat([wells, dmso.assign(well="H01"), dmso.assign(well="H02")], ignore_index=True)
    values = rng.normal(size=(len(wells), 10))
    for i, label in enumerate(wells["label"]):
        if label in CLASSES:
            values[i, CLASSES.index(label)] += 4
    names = [f"Cells_Feature_{k}" for k in range(10)]
    return pd.concat([wells, pd.DataFrame(values, columns=names)], axis=1)


def written(tmp_path, table: pd.DataFrame, name: str = "wells.csv"):
    path = tmp_path / name
    table.rename(
        columns={
            "compound": "Metadata_Compound",
            "label": "Metadata_moa",
            "concentration": "Metadata_Concentration",
            "plate": "Metadata_Plate",
            "well": "Metadata_Well",
        }
    ).to_csv(path, index=False)
    return path


def test_features_are_the_numbers_that_are_no_metadata(tmp_path):
    table = profiles().assign(Metadata_Code=7, ImageNumber=range(56 + 4), Cells_Broken=1.0)
    table.loc[3, "Cells_Broken"] = np.nan
    features = read_profiles(written(tmp_path, table))
    assert features.names == tuple(f"Cells_Feature_{k}" for k in range(10))
    assert features.dropped == ("Cells_Broken",)
    assert features.rows["label"].tolist() == table["label"].tolist()
    assert features.rows["concentration"].iloc[0] == 1.0


@pytest.mark.parametrize(
    ("drop", "remedy"),
    [
        ("compound", "--map compound=COLUMN"),
        ("label", "--map moa=COLUMN"),
        ("Cells_", "has 0 complete"),
    ],
)
def test_what_is_missing_is_named(tmp_path, drop, remedy):
    table = profiles()
    path = written(tmp_path, table.drop(columns=[c for c in table if c.startswith(drop)]))
    with pytest.raises(InputError, match=remedy):
        read_profiles(path)


def test_each_compound_is_predicted_without_itself():
    table = profiles()
    odd = (table["compound"] == "B1").to_numpy()  # labelled B, looks like D
    names = [c for c in table if c.startswith("Cells_")]
    values = table[names].to_numpy(copy=True)
    values[odd, 1] -= 4
    values[odd, 3] += 4
    got = opinion(Profiles(table.drop(columns=names), values, tuple(names), (), "made"), CLASSES)
    assert got["role"].value_counts().to_dict() == {"scored": 48, "control": 12}
    assert (got["predicted"][odd] == "D").all()
    assert got["correct"][got["label"].isin(["A", "C"])].mean() > 0.9
    np.testing.assert_allclose(got[[f"p_{c}" for c in CLASSES]].sum(axis=1), 1, atol=1e-5)
    assert not got["unpredictable"].any()
    ranked = rank(got, CLASSES, resamples=20)
    assert (ranked["compound"].iloc[0], ranked["suspected"].iloc[0]) == ("B1", "D")


def test_shuffled_labels_are_not_learnt():
    """A compound that is in its own training data would be called right."""
    table = profiles()
    names = [c for c in table if c.startswith("Cells_")]
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(table), 200))
    noise += rng.normal(size=(len(table), 200))[pd.factorize(table["compound"])[0]]  # a fingerprint
    got = opinion(Profiles(table.drop(columns=names), noise, ("f",) * 200, (), "made"), CLASSES)
    assert got["correct"].dropna().mean() < 0.5


def test_other_doses_and_other_classes_are_predicted_and_not_scored():
    table = profiles()
    high = table["concentration"] == 10
    table.loc[high & (table["compound"] == "A1"), "label"] = None
    table.loc[table["label"] == "D", "label"] = "not in the study"
    names = [c for c in table if c.startswith("Cells_")]
    features = Profiles(
        table.drop(columns=names), table[names].to_numpy(), tuple(names), (), "made"
    )
    got = opinion(features, CLASSES)
    unlabelled = got["role"] == "unlabelled"
    assert set(got["compound"][unlabelled]) == {"A1", "D1", "D2"}
    assert got["label"][unlabelled].isna().all() and got["correct"][unlabelled].isna().all()
    assert (got["predicted"][high & (got["compound"] == "A1")] == "A").all()
    assert (got["p_D"] == 0).all()


def test_the_only_compound_of_a_class_is_unpredictable():
    table = profiles()
    table = table[table["compound"] != "C2"].reset_index(drop=True)
    names = [c for c in table if c.startswith("Cells_")]
    got = opinion(
        Profiles(table.drop(columns=names), table[names].to_numpy(), tuple(names), (), "made"),
        CLASSES,
    )
    assert set(got["compound"][got["unpredictable"]]) == {"C1"}


def test_too_few_compounds_or_classes():
    table = profiles()
    names = [c for c in table if c.startswith("Cells_")]
    features = Profiles(
        table.drop(columns=names), table[names].to_numpy(), tuple(names), (), "made"
    )
    with pytest.raises(InputError, match="spelled as in the study"):
        opinion(features, ["A", "Z"])


@pytest.fixture
def study(tmp_path, capsys):
    table = with_summary(screen(), calling(screen()["label"]))
    images = table[[*screen().columns, "role"]]
    return write_study(
        tmp_path / "cache" / "plate",
        title="t",
        kind="plate",
        classes=CLASSES,
        images=images,
        summaries={"vi": table.drop(columns=images.columns)},
    )


def test_the_command_keeps_the_opinion_beside_the_study(tmp_path, study, capsys):
    path = written(tmp_path, profiles())
    assert main(["second-opinion", str(study), str(path)]) == 0
    line = capsys.readouterr().out
    assert "48 rows right" in line and "8 of the study's 8 compounds" in line
    table, about = read_opinion(study)
    assert len(table) == 60 and about["source"].startswith("wells.csv")
    assert table["strength"].notna().all()
    assert check_study(study) == []


def test_the_command_on_compounds_of_other_names(tmp_path, study, capsys):
    table = profiles().assign(compound=lambda t: "other " + t["compound"])
    assert (
        main(
            ["second-opinion", str(study), str(written(tmp_path, table)), "--control", "other DMSO"]
        )
        == 2
    )
    assert "no compound in common" in capsys.readouterr().err
    assert read_opinion(study) is None
    assert main(["second-opinion", str(study), str(tmp_path / "none.csv")]) == 2
    assert main(["second-opinion", str(study), str(written(tmp_path, table)), "--map", "x"]) == 2


def test_a_damaged_opinion_is_named(tmp_path):
    write_opinion(tmp_path, pd.DataFrame({"a": [1]}), "made").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="run 'bnn second-opinion' again"):
        read_opinion(tmp_path)


def test_the_published_table_with_a_second_opinion(authors, shared_data):
    """About 90.7 % of wells; the three compounds that both call wrong lead."""
    features = read_profiles(shared_data / "bbbc021" / "ljosa2013_well_profiles.csv")
    assert features.values.shape == (632, 189)
    second = opinion(features, authors.classes)
    scored = second[second["role"] == "scored"]
    assert len(scored) == 302 and scored["correct"].sum() == pytest.approx(274, abs=2)
    ranked = rank(
        published_table(authors, shared_data), authors.classes, second=second, resamples=50
    )
    assert ranked["compound"].iloc[0] == "colchicine"
    assert {"cytochalasin D", "PP-2"} <= set(ranked["compound"].iloc[:5])
    # Many of its images are predicted as the class that it is suspected of.
    wrong = ranked[ranked["n_wrong"] > 0].set_index("compound")
    assert (wrong["n_suspected"] > 0).all()
    assert wrong.loc["simvastatin", "suspected"] == "DNA replication"
    for right in ("ALLN", "simvastatin", "methotrexate"):
        assert (scored["predicted"] == scored["label"])[scored["compound"] == right].all()


def test_class_probabilities_are_no_measured_features(tmp_path):
    p = np.random.default_rng(0).dirichlet(np.ones(3), 12)
    table = pd.DataFrame(p, columns=["softmax_a", "softmax_b", "softmax_c"]).assign(
        compound=[f"c{k // 2}" for k in range(12)], moa=list("aabbcc") * 2, area=1.5
    )
    table.to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(InputError, match=r"class probabilities.*bnn import"):
        read_profiles(tmp_path / "p.csv")
