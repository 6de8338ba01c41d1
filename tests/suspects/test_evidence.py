"""Each reading on a small table with one planted cause."""

import numpy as np
import pandas as pd
import pytest
from screens import CLASSES, calling, published_table, screen, with_summary

from bnn_core.base.wording import listed, of_all
from bnn_core.suspects.evidence import readings
from bnn_core.suspects.explanations import (
    AGAINST,
    FITS,
    PARTLY,
    UNKNOWN,
    Case,
    Reading,
    Suspect,
    heading,
    interval_of,
)
from bnn_core.suspects.ranking import rank, rank_images

NAMES = [
    "wrong_label",
    "inactive_dose",
    "toxic",
    "well_swap",
    "artefact",
    "batch",
    "weak_model",
    "new_kind",
    "other_network",
    "other_data",
]


def suspect(compound: str = "B1", suspected: str = "D", **keys) -> Suspect:
    level = "treatment" if "concentration" in keys else "compound"
    return Suspect(level, {"compound": compound, **keys}, compound[0], suspected)


def read(table: pd.DataFrame, who: Suspect | None = None, **other) -> dict[str, Reading]:
    found = readings(table, CLASSES, who or suspect(), **other)
    assert [r.name for r in found] == NAMES
    for r in found:
        assert r.sentence.endswith(".") and not r.sentence[0].islower()
        assert not {"nan", "nan%"} & set(r.sentence.split())
        assert (r.verdict == UNKNOWN) or r.n > 0 or not r.missing
    return {r.name: r for r in found}


def table_of(
    names: pd.Series | list[str], images: pd.DataFrame | None = None, **columns
) -> pd.DataFrame:
    images = screen() if images is None else images
    return with_summary(images.assign(**columns), calling(list(names)))


def all_called(name: str, compound: str = "B1") -> pd.Series:
    images = screen()
    return images["label"].where(images["compound"] != compound, name)


def test_one_wrong_class():
    got = read(table_of(all_called("D")))["wrong_label"]
    assert (got.verdict, got.n) == (FITS, 12)
    assert got.numbers["one_class"] == 1
    assert got.sentence == (
        "All 12 images are called something else than B: all of them D. That "
        "is one wrong class, as a wrong label would give."
    )


def test_many_wrong_classes():
    names = all_called("D")
    mine = np.flatnonzero(screen()["compound"] == "B1")
    names.iloc[mine[:5]], names.iloc[mine[5:8]] = "A", "C"
    got = read(table_of(names))["wrong_label"]
    assert got.verdict == PARTLY
    assert got.numbers["one_class"] == pytest.approx(5 / 12)
    assert "5 of them A, 4 D and 3 C" in got.sentence


def test_of_equally_common_wrong_classes_the_one_compared_with_comes_first():
    names = all_called("D")
    names.iloc[np.flatnonzero(screen()["compound"] == "B1")[:6]] = "A"
    assert "6 of them D and 6 A" in read(table_of(names))["wrong_label"].sentence


@pytest.mark.parametrize(
    "called, wrong, score, said",
    [
        (11, 23, 0.2, ", looks most like X"),
        (12, 24, 0.2, ", looks most like X"),
        (13, 24, 0.2, " → called X"),
        (0, 0, -0.4, ", and called so"),
        (3, 5, -0.1, ", and no other class in particular"),
    ],
)
def test_a_heading_says_called_only_of_most_images(called, wrong, score, said):
    row = {"n_suspected": called, "n_wrong": wrong, "n_images": 24, "score": score}
    who = Suspect("compound", {"compound": "ALLN"}, "Y", "X")
    assert heading(row, who) == f"ALLN: given Y{said}"


@pytest.mark.parametrize(
    "low, high, n, said",
    [
        (-0.002, 0.4, 6, "95 % interval 0.00 to 0.40, from 6 wells"),
        (-0.167, 1, 2, "95 % interval -0.17 to 1.00, from 2 wells"),
        (-1, 1, 2, "2 wells are too few for an interval"),
        (np.nan, np.nan, 1, "1 well is too few for an interval"),
    ],
)
def test_an_interval_that_says_nothing_is_not_given(low, high, n, said):
    assert interval_of({"low": low, "high": high, "n_units": n, "unit": "well"}) == said


def test_mostly_right():
    names = screen()["label"]
    names.iloc[np.flatnonzero(screen()["compound"] == "B1")[0]] = "D"
    assert read(table_of(names))["wrong_label"].verdict == AGAINST
    assert read(table_of(screen()["label"]))["wrong_label"].sentence == (
        "All 12 images are called B, as labelled."
    )


def test_all_wells_disagree_is_no_swap():
    got = read(table_of(all_called("D")))["well_swap"]
    assert (got.verdict, got.n, got.counted) == (AGAINST, 6, "wells")
    assert got.numbers == {"wells": 6, "wrong": 6, "plates": 3, "wrong_plates": 3}
    assert "agree with each other" in got.sentence


def test_a_swapped_pair_of_wells_is_found():
    images = screen()
    names = images["label"].copy()
    # B1 at C02 of W1P1 against D1 at E02 of the same plate.
    names[(images["plate"] == "W1P1") & (images["well"] == "C02")] = "D"
    names[(images["plate"] == "W1P1") & (images["well"] == "E02")] = "B"
    got = read(table_of(names))["well_swap"]
    assert got.verdict == FITS and got.numbers["wrong"] == 1
    assert "Well C02 looks like D, and E02 on the same plate (D1) looks like B" in got.sentence


def test_one_bad_plate():
    images = screen()
    names = images["label"].where((images["compound"] != "B1") | (images["plate"] != "W1P3"), "D")
    got = read(table_of(names))["well_swap"]
    assert got.verdict == FITS and got.numbers["wrong_plates"] == 1
    assert "all on plate W1P3" in got.sentence


def test_one_dose_of_all_plates_is_no_swap():
    images = screen()
    names = images["label"].where((images["compound"] != "B1") | (images["concentration"] > 1), "D")
    assert read(table_of(names))["well_swap"].verdict == PARTLY


def test_replicates_do_where_wells_are_unknown():
    images = screen().drop(columns=["plate", "well"])
    names = images["label"].where((images["compound"] != "B1") | (images["replicate"] != "2"), "D")
    got = read(table_of(names, images))["well_swap"]
    assert (got.verdict, got.counted, got.numbers["wrong"]) == (FITS, "replicates", 1)
    two = images[images["replicate"] != "3"]
    got = read(table_of(names[two.index], two))["well_swap"]
    assert "Only two replicates: weak evidence" in got.sentence
    nothing = read(table_of(names, images.drop(columns="replicate")))["well_swap"]
    assert nothing.verdict == UNKNOWN and nothing.missing == ("plate", "well")


def test_a_single_well_cannot_tell():
    images = screen(wells_per_dose=1)
    images = images[images["concentration"] == 1].reset_index(drop=True)
    got = read(table_of(images["label"].where(images["compound"] != "B1", "D"), images))
    assert got["well_swap"].verdict == UNKNOWN


def test_an_artefact():
    names = all_called("D")
    blurred = np.where(screen()["compound"] == "B1", -6.0, 0.1)
    got = read(table_of(names, quality_focus_z=blurred, quality_saturation_z=0.0))["artefact"]
    assert got.verdict == FITS and got.numbers["outlying"] == 1 and got.numbers["others"] == 0
    assert "out of focus" in got.sentence
    sharp = read(table_of(names, quality_focus_z=1.0))["artefact"]
    assert sharp.verdict == AGAINST
    everywhere = read(table_of(names, quality_focus_z=-6.0))["artefact"]
    assert everywhere.verdict == AGAINST and everywhere.numbers["others"] == 1
    assert read(table_of(names))["artefact"].verdict == UNKNOWN


def test_only_the_wrong_images_count_as_artefacts():
    images = screen()
    mine = np.flatnonzero(images["compound"] == "B1")
    names, z = images["label"].copy(), np.zeros(len(images))
    names.iloc[mine[:3]], z[mine[:3]] = "D", 9.0
    got = read(table_of(names, quality_saturation_z=z))["artefact"]
    assert (got.verdict, got.n) == (FITS, 3) and "saturated" in got.sentence


def test_batch_compatible_is_not_explained():
    images = screen()
    images.loc[images["compound"] == "A1", "batch"] = "W2"
    got = read(table_of(all_called("D"), images))["batch"]
    assert got.verdict == FITS and got.numbers["owned"] == 1 and got.numbers["sharers"] == 1
    assert got.sentence.startswith("Batch-compatible, not explained: D1, labelled D, is from the")
    images.loc[images["compound"] == "D1", "batch"] = "W3"
    got = read(table_of(all_called("D"), images))["batch"]
    assert got.verdict == AGAINST and got.numbers["owned"] == 0
    assert "No training compound of D was imaged in W1" in got.sentence


def test_a_batch_with_every_class_says_little():
    images = screen().assign(batch="one")
    got = read(table_of(all_called("D"), images))["batch"]
    assert got.verdict == PARTLY and got.numbers["chance"] == pytest.approx(1)


def test_unknown_batches():
    assert read(table_of(all_called("D"), screen().drop(columns="batch")))["batch"].missing == (
        "batch",
    )
    images = screen()
    images.loc[images["compound"] == "B1", "batch"] = None
    assert read(table_of(all_called("D"), images))["batch"].verdict == UNKNOWN


def test_a_weak_model():
    names = all_called("D").where(screen()["compound"] != "B2", "D")
    got = read(table_of(names))["weak_model"]
    assert (got.verdict, got.numbers["recall"], got.n) == (FITS, 0, 1)
    assert got.sentence == (
        "No other compound (of 1) labelled B is called right (0% of 12 images). It is called D too."
    )
    assert read(table_of(all_called("D")))["weak_model"].verdict == AGAINST


def test_the_only_compound_of_its_label():
    table = table_of(all_called("D"))
    table = table[table["compound"] != "B2"].reset_index(drop=True)
    got = read(table)["weak_model"]
    assert got.verdict == FITS and "No other compound is labelled B" in got.sentence


def control_rows(images: pd.DataFrame, called: str = "C") -> tuple[pd.DataFrame, list[str]]:
    controls = images.drop_duplicates("plate").assign(
        compound="DMSO", concentration=0.0, label=None, role="control", well="H12"
    )
    return controls, [called] * len(controls)


def with_doses(called: dict[float, str], controls_called: str | None = None) -> pd.DataFrame:
    """B1 is labelled at 1 µM only; its other doses are unlabelled and called as given."""
    images = screen().assign(role="scored")
    images = images[(images["compound"] != "B1") | (images["concentration"] == 1)]
    names = images["label"].where(images["compound"] != "B1", "D").tolist()
    mine = images[images["compound"] == "B1"]
    for dose, name in called.items():
        images = pd.concat([images, mine.assign(concentration=dose, label=None, role="unlabelled")])
        names += [name] * len(mine)
    if controls_called:
        controls, more = control_rows(screen(), controls_called)
        images, names = pd.concat([images, controls]), names + more
    return table_of(names, images.reset_index(drop=True))


def test_a_higher_dose_called_by_the_label_means_an_inactive_one():
    got = read(with_doses({0.1: "D", 3.0: "B", 10.0: "B"}))["inactive_dose"]
    assert got.verdict == FITS and got.numbers["higher_doses_as_label"] == 2
    assert got.sentence.startswith("Other doses: 0.1 µM D, 3 µM B, 10 µM B: a label that is right")
    lower = read(with_doses({0.1: "B", 3.0: "D"}))["inactive_dose"]
    assert lower.verdict == PARTLY and "no untreated cells" in lower.sentence


def test_a_single_wrong_well_is_no_inactive_dose_where_the_others_of_its_dose_show_the_label():
    rows = with_doses({3.0: "B"})
    one = (rows["plate"] == "W1P1") & (rows["compound"] == "B1") & (rows["concentration"] == 1)
    names = rows["predicted"].where(one | (rows["compound"] != "B1"), "B")
    table = table_of(names, rows[[c for c in screen() if c in rows] + ["role"]])
    well = rows.loc[one, "well"].iloc[0]
    who = Suspect("well", {"plate": "W1P1", "well": well}, "B", "D")
    assert read(table, who)["inactive_dose"].verdict != FITS
    alone = table[one | (table["concentration"] != 1) | (table["compound"] != "B1")]
    assert read(alone.reset_index(drop=True), who)["inactive_dose"].verdict == FITS


def test_predicted_like_untreated_cells():
    got = read(with_doses({}, controls_called="D"))["inactive_dose"]
    assert got.verdict == FITS and got.numbers["like_controls"] == pytest.approx(1)
    unlike = read(with_doses({}, controls_called="C"))["inactive_dose"]
    assert unlike.verdict == AGAINST and unlike.numbers["like_controls"] < 0.2


def test_the_weakest_and_the_strongest_phenotype():
    table = table_of(all_called("D"))
    places = [(c, d) for c in ("A1", "A2", "B2", "C1", "C2", "D1", "D2") for d in (1.0, 10.0)]
    mine = [("B1", 1.0), ("B1", 10.0)]
    for order, verdict in (
        (mine + places * 2, FITS),
        (places + mine, AGAINST),
        ([mine[0], *places, mine[1]], PARTLY),
    ):
        strengths = pd.DataFrame(order, columns=["compound", "concentration"])
        strengths["strength"] = np.linspace(0.9, 4, len(order))
        strengths["place"] = range(1, len(order) + 1)
        got = read(table, strengths=strengths)["inactive_dose"]
        assert got.verdict == verdict
        assert got.numbers["treatments"] == len(order)
    # One treatment alone is looked at with its own dose.
    alone = read(table, suspect(concentration=10.0), strengths=strengths)["inactive_dose"]
    assert alone.verdict == AGAINST and "the strongest of 16" in alone.sentence


def test_nothing_to_compare_a_dose_with():
    assert read(table_of(all_called("D")))["inactive_dose"].verdict == UNKNOWN


def test_few_nuclei_are_toxic():
    nuclei = np.where(screen()["compound"] == "B1", 20.0, 100.0)
    got = read(table_of(all_called("D"), quality_nuclei=nuclei))["toxic"]
    assert got.verdict == FITS and got.numbers["ratio"] == pytest.approx(0.2)
    assert got.sentence == (
        "20 nuclei per image against 100 on the other images of the same plates (20%)."
    )
    assert read(table_of(all_called("D"), quality_nuclei=100.0))["toxic"].verdict == AGAINST
    assert read(table_of(all_called("D")))["toxic"].missing == ("quality_nuclei",)


def test_nuclei_are_compared_with_controls_where_there_are_any():
    table = with_doses({}, controls_called="C")
    table["quality_nuclei"] = np.where(table["role"] == "control", 40.0, 400.0)
    table.loc[table["compound"] == "B1", "quality_nuclei"] = 30.0
    got = read(table)["toxic"]
    assert got.verdict == PARTLY and "untreated ones of the same plates" in got.sentence


def test_the_other_network():
    table = table_of(all_called("D"))
    assert read(table, standard=table)["other_network"].verdict == AGAINST
    right = read(table, standard=table_of(screen()["label"]))["other_network"]
    assert right.verdict == FITS and "agrees with the label" in right.sentence
    # Both call most images by the label: it is not this network alone that errs.
    alike = read(right_table := table_of(screen()["label"]), standard=right_table)["other_network"]
    assert alike.verdict == AGAINST and "hardly more than this network" in alike.sentence
    neither = read(table, standard=table_of(all_called("A")))["other_network"]
    assert neither.verdict == PARTLY and "finds neither" in neither.sentence
    assert neither.numbers["as_label"] == 0 and neither.n == 12
    assert read(table)["other_network"].verdict == UNKNOWN


def test_other_data():
    table = table_of(all_called("D"))
    wells = screen(images_per_well=1).assign(compound=lambda t: t["compound"].str.upper() + " ")
    agrees = table_of(wells["label"].where(wells["compound"] != "B1 ", "D"), wells)
    got = read(table, second=agrees)["other_data"]
    assert (got.verdict, got.n, got.counted) == (AGAINST, 6, "wells")
    assert "none of the 6 wells on 3 plates are called B, 6 D" in got.sentence
    assert read(table, second=table_of(wells["label"], wells))["other_data"].verdict == FITS
    one_dose = read(table, suspect(concentration=1.0), second=agrees)["other_data"]
    assert one_dose.n == 3
    absent = agrees[agrees["compound"] != "B1 "]
    assert read(table, second=absent)["other_data"].verdict == UNKNOWN
    assert "bnn second-opinion" in read(table)["other_data"].sentence


def test_images_without_any_metadata():
    images = pd.DataFrame({"image_id": list("abcd"), "label": ["A", "A", "B", "B"]})
    table = with_summary(images, calling(["A", "B", "B", "B"]))
    who = Suspect.of(rank_images(table).iloc[0], "image")
    assert (who.keys, who.label, who.suspected) == ({"image_id": "b"}, "A", "B")
    got = read(table, who, standard=table)
    assert got["wrong_label"].numbers["wrong"] == 1
    assert got["weak_model"].verdict == AGAINST and got["weak_model"].counted == "images"
    for name in ("inactive_dose", "toxic", "well_swap", "artefact", "batch", "other_data"):
        assert got[name].verdict == UNKNOWN and got[name].missing


@pytest.mark.parametrize("level", ["compound", "treatment", "well", "image"])
def test_suspects_come_from_rankings(level):
    table = table_of(all_called("D"))
    ranked = rank_images(table) if level == "image" else rank(table, CLASSES, level, resamples=5)
    who = Suspect.of(ranked.iloc[0], level)
    case = Case(table, CLASSES, who)
    assert len(case.rows) == {"compound": 12, "treatment": 6, "well": 2, "image": 1}[level]
    assert str(case.rows.iloc[0][next(iter(who.keys))]) in who.title
    read(table, who)


def test_a_suspect_that_is_not_there():
    with pytest.raises(ValueError, match="no scored image of Z9"):
        readings(table_of(all_called("D")), CLASSES, suspect("Z9"))


def test_words():
    assert of_all(0, 3, "well") == "none of the 3 wells"
    assert [of_all(k, 2, "well") for k in (1, 2)] == ["1 of the 2 wells", "both wells"]
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert listed(["a"]) == "a"


def test_the_published_table(authors, shared_data):
    table, classes = published_table(authors, shared_data), authors.classes
    ranked = rank(table, classes, resamples=5).set_index("compound", drop=False)

    def of(compound: str) -> dict[str, Reading]:
        who = Suspect.of(ranked.loc[compound], "compound")
        return {r.name: r for r in readings(table, classes, who)}

    for compound in ("epothilone B", "AZ258", "AZ841", "simvastatin", "methotrexate"):
        assert of(compound)["batch"].verdict == FITS
    for compound in ("colchicine", "cytochalasin D", "PP-2"):
        assert of(compound)["batch"].verdict == AGAINST
    assert of("colchicine")["wrong_label"].verdict == FITS
    assert of("colchicine")["weak_model"].verdict == AGAINST
    assert of("ALLN")["weak_model"].verdict == FITS


def test_the_published_table_with_profiles(authors, shared_data):
    """Strength from the profiles alone: colchicine nearly DMSO, cytochalasin D the strongest."""
    from bnn_core.suspects.phenotype import strength, treatment_strengths
    from bnn_core.suspects.second_opinion import read_features

    features = read_features(shared_data / "bbbc021" / "ljosa2013_well_profiles.csv")
    rows = features.rows.assign(role=np.where(features.rows["compound"] == "DMSO", "control", ""))
    values = strength(features.values, rows["plate"].to_numpy(), (rows["role"] != "").to_numpy())
    strengths = treatment_strengths(rows, values)
    assert len(strengths) == 103
    table, classes = published_table(authors, shared_data), authors.classes
    ranked = rank(table, classes, resamples=5).set_index("compound", drop=False)
    verdicts = {}
    for compound in ("colchicine", "cytochalasin D", "PP-2"):
        who = Suspect.of(ranked.loc[compound], "compound")
        got = readings(table, classes, who, strengths=strengths)
        verdicts[compound] = next(r for r in got if r.name == "inactive_dose")
    assert verdicts["colchicine"].verdict == FITS
    assert verdicts["colchicine"].numbers["place"] <= 2
    assert verdicts["cytochalasin D"].verdict == AGAINST
    assert verdicts["cytochalasin D"].numbers["place"] == 103
    assert verdicts["PP-2"].verdict == PARTLY


def test_far_from_all_that_was_trained_on():
    table = table_of(all_called("D"))
    assert read(table)["new_kind"].verdict == UNKNOWN
    near = np.linspace(1.5, 2, len(table))
    # Of eight compounds the farthest is no rare thing: one in eight is.
    for mine, verdict, chance in ((3.0, PARTLY, 1 / 8), (1.0, AGAINST, 1.0)):
        got = read(table.assign(distance=np.where(table["compound"] == "B1", mine, near)))
        got = got["new_kind"]
        assert (got.verdict, got.n, got.counted) == (verdict, 7, "compounds")
        assert got.numbers["distance"] == mine and got.numbers["chance"] == chance
        assert ("bad images" in got.sentence) == (verdict == PARTLY)
    assert got.sentence.endswith(
        "the median compound at 1.78; none of the 7 other compounds are nearer."
    )
    # A dose is set against doses, an image against images.
    dosed = table.assign(distance=np.where(table["compound"] == "B1", 3.0, near))
    got = read(dosed, suspect(concentration=10.0))["new_kind"]
    assert (got.verdict, got.n, got.counted) == (PARTLY, 14, "treatments")
    alone = table.drop(columns="compound").assign(distance=near)
    who = Suspect("image", {"image_id": alone["image_id"].iloc[-1]}, "D", "A")
    got = read(alone, who)["new_kind"]
    assert (got.verdict, got.n, got.counted) == (FITS, len(table) - 1, "images")
    few = dosed[dosed["compound"].isin(["B1", "A1", "D1"])].reset_index(drop=True)
    got = read(few)["new_kind"]
    assert got.verdict == UNKNOWN
    assert got.sentence == "2 other compounds are too few to compare with."
