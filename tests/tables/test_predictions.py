"""Whole tables of predictions: eight rows by hand, bad rows by number, the published table."""

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.tables import columns
from bnn_core.tables.predictions import NO_SPLIT, TAKEN_AS_BAYESIAN, read_predictions
from bnn_core.tables.sources import ImportOptions

NAMES = ["Eg5, kinesin", 'DNA "damage"', "=Actin/β"]


def eight():
    """Eight images of three classes and four compounds; row 9 is predicted wrong."""
    p = np.array(
        [
            [0.8, 0.1, 0.1],
            [0.7, 0.2, 0.1],
            [0.2, 0.6, 0.2],
            [0.1, 0.5, 0.4],
            [0.1, 0.1, 0.8],
            [0.0, 0.0, 1.0],
            [0.3, 0.3, 0.4],
            [0.6, 0.2, 0.2],
        ]
    )
    labels = [NAMES[k] for k in (0, 0, 1, 1, 2, 2, 2, 1)]
    table = pd.DataFrame(p, columns=["softmax_0", "softmax_1", "softmax_2"])
    return table.assign(
        predicted=[NAMES[k] for k in p.argmax(axis=1)],
        moa=labels,
        image=[f"f{i}.png" for i in range(8)],
        compound=list("aabbccdd"),
        concentration=["0.3", "0.3", "1", "1", "10", "10", "0.003", "0.003"],
    )


@pytest.fixture
def importing(tmp_path):
    """Write a table and read it back as predictions."""

    def read(table, name="t.csv", line_end="\n", **options):
        table.to_csv(tmp_path / name, index=False, lineterminator=line_end)
        return read_predictions(tmp_path / name, ImportOptions(**options))

    return read


def refusal(importing, table, **options):
    with pytest.raises(InputError) as error:
        importing(table, **options)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_eight_rows(importing, line_end):
    found = importing(eight(), line_end=line_end)
    assert found.classes == NAMES
    np.testing.assert_allclose(found.moments["vi"].mean_p, eight().iloc[:, :3])
    assert found.moments["vi"].mean_p2 is None
    assert NO_SPLIT in found.notes and TAKEN_AS_BAYESIAN in found.notes
    images = found.images
    assert images["image_id"].tolist() == eight()["image"].tolist()
    assert images["label"].tolist() == eight()["moa"].tolist()
    assert images["role"].tolist() == ["scored"] * 8
    assert images["group"].tolist() == list("aabbccdd")
    assert images["concentration"].tolist() == [0.3, 0.3, 1, 1, 10, 10, 0.003, 0.003]
    assert list(images.index) == list(range(2, 10))
    assert found.understood == (
        "3 classes from softmax_0 ... softmax_2; predicted class from predicted; path from image, "
        "compound, concentration, moa; the MoA is the label"
    )


def test_a_large_table_says_what_it_says_in_objects(importing, monkeypatch):
    few = eight().drop(columns="predicted").assign(plate="P1", role="scored")
    few.loc[2, "moa"], few.loc[5, "role"], few.loc[2, "compound"] = "not labelled", "new", None
    table = pd.concat([few] * 5, ignore_index=True)
    table["image"] = [f"{i}.png" for i in range(len(table))]
    quick = importing(table, control=("d",), classes=tuple(NAMES))
    assert {str(quick.images[name].dtype) for name in ("plate", "group")} == {"category"}
    in_objects = columns.as_text
    monkeypatch.setattr(columns, "as_text", lambda values, kinds=False: in_objects(values))
    slow = importing(table, control=("d",), classes=tuple(NAMES))
    assert slow.images["plate"].dtype == object and slow.notes == quick.notes
    for name, column in slow.images.items():
        assert column.isna().tolist() == quick.images[name].isna().tolist()
        assert column.dropna().tolist() == quick.images[name].dropna().tolist()


def test_columns_called_as_the_classes(importing):
    table = eight().rename(columns={f"softmax_{k}": name for k, name in enumerate(NAMES)})
    assert importing(table).classes == NAMES
    assert importing(table[[*NAMES[::-1], "moa", "image"]]).classes == NAMES[::-1]


def test_a_long_table_says_the_same(importing):
    long = (
        eight()
        .rename(columns={f"softmax_{k}": name for k, name in enumerate(NAMES)})
        .melt(
            id_vars=["image", "moa", "compound", "concentration", "predicted"],
            value_vars=NAMES,
            var_name="class",
            value_name="probability",
        )
    )
    found = importing(long)
    order = [sorted(NAMES).index(name) for name in NAMES]
    assert found.classes == sorted(NAMES)
    np.testing.assert_allclose(found.moments["vi"].mean_p[:, order], eight().iloc[:, :3])
    assert found.images["compound"].tolist() == list("aabbccdd")


def test_bad_rows_are_named(importing, tmp_path):
    table = eight()
    table.loc[1, "softmax_0"] = 0.4
    table.loc[3, "softmax_1"] = np.nan
    assert refusal(importing, table, ignore_predicted=True, classes=tuple(NAMES)) == (
        f"{tmp_path / 't.csv'} row 5: a probability is missing or nan; row 3: the probabilities "
        "sum to 0.7, not to 1"
    )
    table = eight()
    table.loc[[2, 5], "moa"] = "Kinase"
    assert "rows 4, 7: label 'Kinase' is not one of the classes" in refusal(importing, table)
    table = eight()
    table.loc[7, "image"] = "f0.png"
    assert "rows 2, 9: the same image occurs more than once ('f0.png')" in refusal(importing, table)
    assert "t.csv: rows 2, 4: the same image id occurs more than once ('1')" in refusal(
        importing, eight().assign(image_id=list("12145678"))
    )
    assert "t.csv: rows 2, 3, 4, 5, 6 ... (8 rows): column 'concentration' holds '=3'" in refusal(
        importing, eight().assign(concentration="=3")
    )
    table = eight().drop(columns="image")
    table.loc[1] = table.loc[0]
    assert "rows 2, 3: identical rows" in refusal(importing, table)
    table = eight().astype(object)
    table.loc[6, "softmax_2"] = "high"
    assert "row 8: column 'softmax_2' holds 'high'" in refusal(importing, table)
    assert "one column of probability ('softmax_2') and 3 labels" in refusal(
        importing, eight()[["softmax_2", "moa"]]
    )
    assert "no numbers" in refusal(importing, eight()[["image", "moa"]])


def test_one_bad_concentration_is_a_warning(importing):
    found = importing(eight().assign(concentration=["1", "=3", *["1"] * 6]))
    assert np.isnan(found.images["concentration"].iloc[1])
    assert any(note.startswith("WARNING: row 3: column 'conc") for note in found.notes)


@pytest.mark.parametrize("ignored", [False, True])
def test_sums_and_a_missing_column_come_before_the_order_of_the_classes(
    authors, importing, ignored
):
    table = authors.frame.assign(softmax_3=3 * authors.frame["softmax_3"])
    said = refusal(importing, table, ignore_predicted=ignored)
    assert "the probabilities sum to 1.085, not to 1" in said and "--classes" not in said
    assert "is missing" not in said and "probably" not in said
    said = refusal(importing, authors.frame.drop(columns="softmax_11"), ignore_predicted=ignored)
    assert (
        "sum to 0.9876, not to 1 (a column is probably missing: softmax_0 ... softmax_10 are "
        "11, labels and predictions name 12 classes)"
    ) in said
    said = refusal(importing, authors.frame.drop(columns="softmax_5"), ignore_predicted=ignored)
    assert "not to 1 (the column softmax_5 is missing)" in said


def test_a_wrong_prediction_column_is_found_out(importing):
    table = eight()
    table.loc[1, "predicted"] = NAMES[2]
    assert "row 3: predicted is '=Actin/β' but the highest column is softmax_0" in refusal(
        importing, table
    )
    given = importing(table, ignore_predicted=True, classes=tuple(NAMES))
    assert given.classes == NAMES


def test_wells_that_no_plate_has_give_a_warning(importing):
    found = importing(eight().assign(plate="P1", well="Z99"))
    assert any(
        note.startswith("WARNING: 8 images are in wells that do not exist on a plate (Z99")
        for note in found.notes
    )
    assert not any("do not exist" in note for note in importing(eight()).notes)


def test_logits_are_refused_or_converted(importing):
    table = eight()
    columns = ["softmax_0", "softmax_1", "softmax_2"]
    p = table[columns].clip(lower=1e-6)
    table[columns] = np.log(p) + 3.0
    assert "add --logits" in refusal(importing, table)
    found = importing(table, logits=True)
    np.testing.assert_allclose(found.moments["vi"].mean_p, p.div(p.sum(axis=1), axis=0))
    named = table.rename(columns=lambda c: c.replace("softmax_", "logit_"))
    assert "are logits, not probabilities; --logits" in refusal(importing, named)
    assert importing(named, logits=True).classes == NAMES


def test_rows_without_label_and_controls_are_not_scored(importing):
    table = eight()
    table.loc[0, "moa"] = None
    table.loc[1, "moa"] = "NA"
    table.loc[[2, 3], ["moa", "compound"]] = "DMSO"
    assert "label 'DMSO' is not one of the classes" in refusal(importing, table)
    found = importing(table, control=("DMSO",))
    assert found.images["role"].tolist() == ["unlabelled"] * 2 + ["control"] * 2 + ["scored"] * 4
    assert found.images["label"].isna().tolist() == [True] * 4 + [False] * 4
    assert "4 of 8 images are not scored (no label, a control, or a new kind)." in found.notes
    assert "--control Dmso: no row" in refusal(importing, table, control=("Dmso",))


def test_labels_and_groups_by_flag(importing):
    table = eight().assign(Verdict=NAMES[0], donor=list("xxxxyyyy"))
    found = importing(table, label="verdict", group="donor", columns={"compound": ""})
    assert set(found.images["label"]) == {NAMES[0]}
    assert found.images["group"].tolist() == list("xxxxyyyy")
    assert "compound" not in found.images
    assert "--group plot: no such column" in refusal(importing, table, group="plot")
    table.loc[4, "donor"] = None
    assert "row 6: no value of --group donor" in refusal(importing, table, group="donor")
    assert importing(table.drop(columns="compound")).images["group"].isna().all()


def test_a_standard_network_beside(importing, tmp_path):
    other = eight().iloc[::-1, ::-1]  # other rows first, other classes first
    other.to_csv(tmp_path / "standard.csv", index=False)
    found = importing(eight(), standard=tmp_path / "standard.csv")
    np.testing.assert_allclose(found.moments["standard"].mean_p, found.moments["vi"].mean_p)
    stems = other.assign(image="run/" + other["image"].str.removesuffix(".png"))
    stems.to_csv(tmp_path / "standard.csv", index=False)
    found = importing(eight(), standard=tmp_path / "standard.csv")
    np.testing.assert_allclose(found.moments["standard"].mean_p, found.moments["vi"].mean_p)
    assert any("matched by the file's name without its ending" in note for note in found.notes)
    other.iloc[1:].to_csv(tmp_path / "standard.csv", index=False)
    assert "lacks images of the first table: row 9 there, the first is 'f7.png'" in refusal(
        importing, eight(), standard=tmp_path / "standard.csv"
    )
    by_order = eight().drop(columns=["image", "moa", "compound", "concentration"])
    by_order.to_csv(tmp_path / "standard.csv", index=False)
    found = importing(eight(), standard=tmp_path / "standard.csv")
    np.testing.assert_allclose(found.moments["standard"].mean_p, found.moments["vi"].mean_p)
    assert "Rows of standard.csv were matched by their order." in found.notes
    assert "--method standard" in refusal(
        importing, eight(), method="standard", standard=tmp_path / "standard.csv"
    )


@pytest.fixture
def samples():
    """Five samples per image around the eight rows."""
    rng = np.random.default_rng(0)
    p = eight().iloc[:, :3].to_numpy()
    noise = rng.dirichlet([5, 5, 5], (8, 5)) * 0.02
    return 0.98 * p[:, None] + noise


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2)])
def test_samples_beside_a_metadata_table(importing, samples, tmp_path, axes):
    np.save(tmp_path / "s.npy", samples.transpose(axes))
    table = eight().drop(columns=["softmax_0", "softmax_1", "softmax_2"])
    found = importing(table, samples=tmp_path / "s.npy")
    assert found.classes == NAMES  # told by the predicted column
    np.testing.assert_allclose(found.samples["vi"], samples, atol=5e-4)
    np.testing.assert_allclose(found.moments["vi"].mean_p, samples.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(found.moments["vi"].mean_p2, (samples**2).mean(axis=1), atol=1e-12)
    assert NO_SPLIT not in found.notes and TAKEN_AS_BAYESIAN not in found.notes
    assert "give the 3 names" in refusal(
        importing, table.drop(columns="predicted"), samples=tmp_path / "s.npy"
    )


def test_samples_can_name_their_classes(importing, samples, tmp_path):
    table = eight().drop(columns=["softmax_0", "softmax_1", "softmax_2", "predicted"])
    np.savez(
        tmp_path / "s.npz",
        p=samples[::-1],
        classes=NAMES,
        image_id=table["image"].to_numpy("U")[::-1],
    )
    found = importing(table, samples=tmp_path / "s.npz")
    assert found.classes == NAMES
    np.testing.assert_allclose(found.moments["vi"].mean_p, samples.mean(axis=1), atol=1e-12)
    rows = pd.DataFrame(samples.reshape(-1, 3), columns=[f"p_{name}" for name in NAMES])
    rows = rows.assign(image=np.repeat(table["image"], 5).to_numpy(), sample=list(range(5)) * 8)
    rows.sample(frac=1, random_state=1).to_parquet(tmp_path / "s.parquet")
    again = importing(table, samples=tmp_path / "s.parquet")
    assert again.classes == NAMES
    np.testing.assert_allclose(again.moments["vi"].mean_p, samples.mean(axis=1), atol=1e-12)


def test_samples_that_do_not_fit_the_table(importing, samples, tmp_path):
    np.save(tmp_path / "s.npy", samples[::-1])
    assert "does not average to the probabilities in" in refusal(
        importing, eight(), samples=tmp_path / "s.npy"
    )
    np.save(tmp_path / "s.npy", samples[:, :, :2])
    assert "has 2 classes, but 3 are named" in refusal(
        importing, eight(), samples=tmp_path / "s.npy"
    )
    np.save(tmp_path / "s.npy", samples[:7])
    assert "the table has 8 rows" in refusal(importing, eight(), samples=tmp_path / "s.npy")


def test_metadata_joined_by_compound(importing, tmp_path):
    more = pd.DataFrame({"Drug": list("abcdd"), "week": ["1", "2", "1", "1", "2"], "supplier": "x"})
    more.to_csv(tmp_path / "m.csv", index=False)
    found = importing(eight(), metadata=(tmp_path / "m.csv",), group="supplier")
    assert found.images["batch"].tolist() == ["1", "1", "2", "2", "1", "1", None, None]
    assert found.images["group"].tolist() == ["x"] * 8
    assert "Empty on 2 rows: batch; m.csv has several values for one compound." in found.notes
    more.iloc[1:].to_csv(tmp_path / "m.csv", index=False)
    found = importing(eight(), metadata=(tmp_path / "m.csv",))
    assert found.images["batch"].tolist()[:4] == [None, None, "2", "2"]
    assert any(
        "2 rows of 8 have no partner in m.csv by compound (rows 2, 3, the first is 'a')" in note
        for note in found.notes
    )
    more[["week"]].to_csv(tmp_path / "m.csv", index=False)
    assert "no column in common" in refusal(importing, eight(), metadata=(tmp_path / "m.csv",))
    assert "--batch week: no such column" in refusal(importing, eight(), batch="week")


def test_labels_of_some_images_by_their_names(importing, tmp_path):
    table = eight().drop(columns="moa")
    labels = eight().iloc[1:6][["image", "moa"]].rename(columns={"image": "id", "moa": "label"})
    labels["id"] = labels["id"].str.removesuffix(".png").str.upper()
    labels.to_csv(tmp_path / "labels.csv", index=False)
    found = importing(table, metadata=(tmp_path / "labels.csv",))
    assert found.images["role"].tolist() == ["unlabelled"] + ["scored"] * 5 + ["unlabelled"] * 2
    assert any("compared by the file's name without its ending" in note for note in found.notes)
    labels["id"] = "other"
    labels.iloc[:1].to_csv(tmp_path / "labels.csv", index=False)
    assert "'f0.png' here, 'other' there" in refusal(
        importing, table, metadata=(tmp_path / "labels.csv",)
    )


def test_several_metadata_tables_one_after_the_other(importing, tmp_path):
    table = eight()[["softmax_0", "softmax_1", "softmax_2", "predicted", "image"]].assign(
        plate=["B1"] * 4 + ["B2"] * 4, well=["A1", "A2", "A3", "A4"] * 2
    )
    pd.DataFrame({"Assay_Plate_Barcode": ["B1", "B2"], "Plate_Map_Name": ["M1", "M2"]}).to_csv(
        tmp_path / "barcodes.csv", index=False
    )
    pd.DataFrame(
        {
            "plate_map_name": ["M1"] * 4 + ["M2"] * 4,
            "well_position": ["A01", "A02", "A03", "A04"] * 2,
            "broad_sample": list("aabbccdd"),
        }
    ).to_csv(tmp_path / "map.csv", index=False)
    eight().drop_duplicates("compound")[["compound", "moa"]].to_csv(
        tmp_path / "moa.csv", index=False
    )
    files = tuple(tmp_path / name for name in ("barcodes.csv", "map.csv", "moa.csv"))
    images = importing(table, metadata=files).images
    assert images["compound"].tolist() == list("aabbccdd")
    assert images["label"].tolist()[:7] == eight()["moa"].tolist()[:7]


def test_an_image_table_joined_by_plate_and_well(importing, tmp_path):
    table = (
        eight()
        .drop(columns=["compound", "moa", "concentration"])
        .assign(
            plate="P1", Well=["a1", "A01", "A2", "A02", "A3", "A3", "A4", "A4"], site=["1", "2"] * 4
        )
    )
    eight().drop_duplicates("compound")[["compound", "moa", "concentration"]].assign(
        Metadata_Plate="P1", Metadata_Well=["A01", "A02", "A03", "A04"]
    ).to_csv(tmp_path / "layout.csv", index=False)
    found = importing(table, metadata=(tmp_path / "layout.csv",))
    assert found.images["compound"].tolist() == list("aabbccdd")
    assert found.images["image_id"].iloc[0] == "P1/A01/1"
    assert found.images["label"].notna().sum() == 8


def test_semicolons_and_decimal_commas(tmp_path):
    path = tmp_path / "excel.csv"
    eight().to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig")
    found = read_predictions(path)
    assert found.classes == NAMES
    np.testing.assert_allclose(found.moments["vi"].mean_p, eight().iloc[:, :3])


def test_a_class_order_worse_than_guessing_gives_a_warning(importing):
    table = pd.concat([eight()] * 10, ignore_index=True).drop(columns="predicted")
    table["image"] = range(80)
    rolled = (NAMES[1], NAMES[2], NAMES[0])
    notes = importing(table, classes=rolled).notes
    assert any("check the order of the classes" in note for note in notes)


def test_fold_and_role_columns_are_kept(importing):
    table = eight().assign(fold=list("01230123"), role=["scored"] * 7 + ["shifted"])
    images = importing(table).images
    assert images["fold"].tolist() == [0, 1, 2, 3] * 2
    assert images["role"].tolist() == ["scored"] * 7 + ["shifted"]


def test_the_published_table(shared_data, authors):
    folder = shared_data / "bbbc021"
    found = read_predictions(
        folder / "deodato2020_leave_one_compound_out.csv",
        ImportOptions(metadata=(folder / "BBBC021_v1_image.csv.gz",), batch="week"),
    )
    assert found.classes == authors.classes
    assert found.classes[7] == "Protein synthesis"  # the one that is out of the alphabet
    np.testing.assert_allclose(found.moments["vi"].mean_p, authors.p, atol=1e-7)
    images = found.images
    assert images["group"].nunique() == 38
    weeks = images.groupby("compound")["batch"].nunique()
    assert (weeks.drop("taxol") == 1).all()
    assert images.loc[images["compound"] == "taxol", "batch"].isna().all()
    kinase = images["label"] == "Kinase inhibitors"
    assert set(images.loc[kinase, "batch"]) == {"Week7"}
    assert set(images.loc[images["label"] == "Cholesterol-lowering", "batch"]) == {"Week9"}
    assert "not used: variance, confidence" in found.understood
