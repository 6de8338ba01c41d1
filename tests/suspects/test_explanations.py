"""Each explanation on a small table with one planted cause."""

import numpy as np
import pandas as pd
import pytest
from screens import CLASSES, calling, published_table, screen, with_summary

from bnn_core.base.wording import listed, of_all, percent
from bnn_core.suspects.explaining import explain
from bnn_core.suspects.explanation import (
    AGAINST,
    FITS,
    NOT_CHECKED,
    PARTLY,
    TITLES,
    Explanation,
    by_verdict,
    unchecked_line,
)
from bnn_core.suspects.ranking import rank, rank_images
from bnn_core.suspects.ranking_wording import heading, interval_text, score_sentences
from bnn_core.suspects.suspect import Case, Suspect


def suspect(compound: str = "B1", suspected: str = "D", **keys) -> Suspect:
    level = "treatment" if "concentration" in keys else "compound"
    return Suspect(level, {"compound": compound, **keys}, compound[0], suspected)


def read(table: pd.DataFrame, who: Suspect | None = None, **other) -> dict[str, Explanation]:
    explanations = explain(table, CLASSES, who or suspect(), **other)
    assert [e.key for e in explanations] == list(TITLES)
    for e in explanations:
        assert e.sentence.endswith(".") and not e.sentence[0].islower()
        assert "nan" not in e.sentence.split() and "  " not in e.sentence
        assert e.verdict == NOT_CHECKED or not e.needs
    return {e.key: e for e in explanations}


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
    assert got.numbers == {"wrong": 1, "one_class": 1, "among_wrong": 1, "classes": 1}


def test_many_wrong_classes():
    names = all_called("D")
    mine = np.flatnonzero(screen()["compound"] == "B1")
    names.iloc[mine[:5]], names.iloc[mine[5:8]] = "A", "C"
    got = read(table_of(names))["wrong_label"]
    assert got.verdict == PARTLY
    assert got.numbers["one_class"] == pytest.approx(5 / 12)
    assert got.numbers["among_wrong"] == pytest.approx(5 / 12) and got.numbers["classes"] == 3
    assert "5 as A, 4 as D and 3 as C" in got.sentence


def test_of_equally_common_wrong_classes_the_one_compared_with_comes_first():
    names = all_called("D")
    names.iloc[np.flatnonzero(screen()["compound"] == "B1")[:6]] = "A"
    assert "6 as D and 6 as A" in read(table_of(names))["wrong_label"].sentence


@pytest.mark.parametrize(
    "as_suspected, wrong, score, prediction",
    [
        (11, 23, 0.2, "most similar to X"),
        (12, 24, 0.2, "most similar to X"),
        (13, 24, 0.2, "mostly predicted as X"),
        (0, 0, -0.4, "all predicted as labelled"),
        (3, 5, -0.1, "not similar to one other class"),
    ],
)
def test_a_heading_says_mostly_only_of_more_than_half(as_suspected, wrong, score, prediction):
    row = {"n_suspected": as_suspected, "n_wrong": wrong, "n_images": 24, "score": score}
    who = Suspect("compound", {"compound": "ALLN"}, "Y", "X")
    assert heading(row, who) == f"ALLN: labelled Y, {prediction}"


def test_the_score_in_sentences_has_rounded_numbers():
    row = {"score": 0.714, "low": 0.5, "high": 0.93, "n_units": 6, "unit": "well", "rank": 1}
    row |= {"p_label": 0.004, "expected_label": 0.71, "p_suspected": 0.997}
    row |= {"expected_suspected": 0.05, "n_wrong": 1, "n_images": 24, "n_suspected": 1}
    score, means, images = score_sentences(row, suspect())
    assert "0.71" in score and "rank 1" in score
    numbers = [word.strip("(") for word in means.split() if any(c.isdigit() for c in word)]
    assert numbers == ["<1", "71", ">99", "5"]
    assert images.startswith("1 of 24 images is ")
    row |= {"second_score": 0.2, "second_p_label": 0.3, "second_p_suspected": 0.6}
    assert "30 %" in score_sentences(row, suspect())[3]
    row |= {"second_p_label": np.nan}
    assert "no data" in score_sentences(row, suspect())[3]


@pytest.mark.parametrize(
    "low, high, n, text",
    [
        (-0.002, 0.4, 6, "95 % interval 0.00 to 0.40 from 6 wells"),
        (-0.167, 1, 2, "95 % interval -0.17 to 1.00 from 2 wells"),
        (-1, 1, 2, "2 wells are too few for an interval"),
        (np.nan, np.nan, 1, "1 well is too few for an interval"),
    ],
)
def test_an_interval_over_the_whole_scale_is_not_given(low, high, n, text):
    assert interval_text({"low": low, "high": high, "n_units": n, "unit": "well"}) == text


def test_mostly_right():
    names = screen()["label"]
    names.iloc[np.flatnonzero(screen()["compound"] == "B1")[0]] = "D"
    assert read(table_of(names))["wrong_label"].verdict == AGAINST
    right = read(table_of(screen()["label"]))["wrong_label"]
    assert (right.verdict, right.numbers, right.n) == (AGAINST, {"wrong": 0, "one_class": 0}, 12)


def test_all_wells_disagree_is_no_swap():
    got = read(table_of(all_called("D")))["well_swap"]
    assert (got.verdict, got.n, got.counted) == (AGAINST, 6, "wells")
    assert got.numbers == {
        "wells": 6,
        "wrong": 6,
        "plates": 3,
        "wrong_plates": 3,
        "swap_partners": 0,
    }


def test_a_swapped_pair_of_wells_is_found():
    images = screen()
    names = images["label"].copy()
    # B1 at C02 of W1P1 against D1 at E02 of the same plate.
    names[(images["plate"] == "W1P1") & (images["well"] == "C02")] = "D"
    names[(images["plate"] == "W1P1") & (images["well"] == "E02")] = "B"
    got = read(table_of(names))["well_swap"]
    assert got.verdict == FITS and got.numbers["wrong"] == 1
    assert got.numbers["swap_partners"] == 1
    assert all(name in got.sentence for name in ("C02", "E02", "D1"))


def test_one_bad_plate():
    images = screen()
    names = images["label"].where((images["compound"] != "B1") | (images["plate"] != "W1P3"), "D")
    got = read(table_of(names))["well_swap"]
    assert got.verdict == FITS and got.numbers["wrong_plates"] == 1
    assert "W1P3" in got.sentence


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
    assert "Two replicates" in got.sentence
    nothing = read(table_of(names, images.drop(columns="replicate")))["well_swap"]
    assert nothing.verdict == NOT_CHECKED and nothing.needs == ("plate and well",)


def test_a_single_well_cannot_tell():
    images = screen(wells_per_dose=1)
    images = images[images["concentration"] == 1].reset_index(drop=True)
    got = read(table_of(images["label"].where(images["compound"] != "B1", "D"), images))
    assert got["well_swap"].verdict == NOT_CHECKED


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
    assert read(table_of(names))["artefact"].verdict == NOT_CHECKED


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
    easy = "Brightness identifies the batch."
    assert easy not in got.sentence
    assert easy in read(table_of(all_called("D"), images), recognised=easy)["batch"].sentence
    assert got.verdict == FITS and got.numbers["owned"] == 1 and got.numbers["sharers"] == 1
    assert got.numbers["wrong_owned"] == 1 and 0 < got.numbers["chance"] < 1
    assert "D1, labelled D" in got.sentence
    assert f"{percent(got.numbers['chance'])} expected by chance" in got.sentence
    images.loc[images["compound"] == "D1", "batch"] = "W3"
    got = read(table_of(all_called("D"), images))["batch"]
    assert easy not in read(table_of(all_called("D"), images), recognised=easy)["batch"].sentence
    assert got.verdict == AGAINST and got.numbers["owned"] == 0
    assert got.numbers["wrong_owned"] == 0 and "(W1)" in got.sentence


def test_a_batch_with_every_class_says_little():
    images = screen().assign(batch="one")
    got = read(table_of(all_called("D"), images))["batch"]
    assert got.verdict == PARTLY and got.numbers["chance"] == pytest.approx(1)


def test_unknown_batches():
    got = read(table_of(all_called("D"), screen().drop(columns="batch")))["batch"]
    assert got.needs == ("compound and batch",)
    images = screen()
    images.loc[images["compound"] == "B1", "batch"] = None
    assert read(table_of(all_called("D"), images))["batch"].verdict == NOT_CHECKED


def test_a_weak_model():
    names = all_called("D").where(screen()["compound"] != "B2", "D")
    got = read(table_of(names))["weak_model"]
    assert (got.verdict, got.numbers["recall"], got.n) == (FITS, 0, 1)
    assert (got.numbers["image_recall"], got.numbers["same_wrong_class"]) == (0, 1)
    assert read(table_of(all_called("D")))["weak_model"].verdict == AGAINST


def test_a_rather_weak_model():
    """Two of three other compounds are predicted correctly."""
    images = pd.concat(
        [screen(), *(screen().query("compound == 'B2'").assign(compound=c) for c in ("B3", "B4"))],
        ignore_index=True,
    )
    names = images["label"].where(~images["compound"].isin(["B1", "B4"]), "D")
    got = read(table_of(names, images))["weak_model"]
    assert (got.verdict, got.n) == (PARTLY, 3) and got.numbers["recall"] == pytest.approx(2 / 3)


def test_the_only_compound_of_its_label():
    table = table_of(all_called("D"))
    table = table[table["compound"] != "B2"].reset_index(drop=True)
    got = read(table)["weak_model"]
    assert got.verdict == FITS and got.numbers == {"peers": 0}


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
    assert got.numbers["other_doses"] == 3 and "0.1 µM D, 3 µM B, 10 µM B" in got.sentence
    lower = read(with_doses({0.1: "B", 3.0: "D"}))["inactive_dose"]
    assert lower.verdict == PARTLY and "like_controls" not in lower.numbers


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
        # Not among the weakest tenth, but in the weakest quarter.
        (places[:2] + mine + places[2:], PARTLY),
    ):
        strengths = pd.DataFrame(order, columns=["compound", "concentration"])
        strengths["strength"] = np.linspace(0.9, 4, len(order))
        strengths["strength_rank"] = range(1, len(order) + 1)
        got = read(table, strengths=strengths)["inactive_dose"]
        assert got.verdict == verdict
        assert got.numbers["treatments"] == len(order)
    # One treatment alone is looked at with its own dose.
    strengths = pd.DataFrame(places + mine, columns=["compound", "concentration"])
    strengths = strengths.assign(strength=2.0, strength_rank=range(1, len(strengths) + 1))
    alone = read(table, suspect(concentration=10.0), strengths=strengths)["inactive_dose"]
    assert alone.verdict == AGAINST and alone.numbers["strength_rank"] == 16
    assert "the strongest of 16" in alone.sentence


def test_nothing_to_compare_a_dose_with():
    assert read(table_of(all_called("D")))["inactive_dose"].verdict == NOT_CHECKED


def test_few_nuclei_are_toxic():
    nuclei = np.where(screen()["compound"] == "B1", 20.0, 100.0)
    got = read(table_of(all_called("D"), quality_nuclei=nuclei))["toxic"]
    assert got.verdict == FITS and got.numbers["ratio"] == pytest.approx(0.2)
    assert got.numbers["nuclei"] == 20 and got.n == 12
    assert read(table_of(all_called("D"), quality_nuclei=100.0))["toxic"].verdict == AGAINST
    assert read(table_of(all_called("D")))["toxic"].needs == ("counts of nuclei",)


def test_nuclei_are_compared_with_controls_where_there_are_any():
    table = with_doses({}, controls_called="C")
    table["quality_nuclei"] = np.where(table["role"] == "control", 40.0, 400.0)
    table.loc[table["compound"] == "B1", "quality_nuclei"] = 30.0
    got = read(table)["toxic"]
    assert got.verdict == PARTLY and got.numbers["ratio"] == pytest.approx(30 / 40)


def test_the_other_network():
    table = table_of(all_called("D"))
    assert read(table, standard=table)["other_network"].verdict == AGAINST
    right = read(table, standard=table_of(screen()["label"]))["other_network"]
    assert right.verdict == FITS and right.numbers["as_label"] == 1
    # Both call most images by the label: it is not this network alone that errs.
    alike = read(right_table := table_of(screen()["label"]), standard=right_table)["other_network"]
    assert alike.verdict == AGAINST and alike.numbers["as_label"] == 1
    neither = read(table, standard=table_of(all_called("A")))["other_network"]
    assert neither.verdict == PARTLY and neither.numbers["as_suspected"] == 0
    assert neither.numbers["as_label"] == 0 and neither.n == 12
    assert read(table)["other_network"].verdict == NOT_CHECKED


def test_other_data():
    table = table_of(all_called("D"))
    wells = screen(images_per_well=1).assign(compound=lambda t: t["compound"].str.upper() + " ")
    agrees = table_of(wells["label"].where(wells["compound"] != "B1 ", "D"), wells)
    got = read(table, second=agrees)["other_data"]
    assert (got.verdict, got.n, got.counted) == (AGAINST, 6, "wells")
    assert (got.numbers["as_label"], got.numbers["as_suspected"]) == (0, 1)
    assert "3 plates" in got.sentence
    assert read(table, second=table_of(wells["label"], wells))["other_data"].verdict == FITS
    one_dose = read(table, suspect(concentration=1.0), second=agrees)["other_data"]
    assert one_dose.n == 3
    absent = agrees[agrees["compound"] != "B1 "]
    assert read(table, second=absent)["other_data"].verdict == NOT_CHECKED
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
        assert got[name].verdict == NOT_CHECKED and got[name].needs


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
        explain(table_of(all_called("D")), CLASSES, suspect("Z9"))


def test_explanations_that_fit_come_first_and_unchecked_ones_make_one_line():
    got = list(read(table_of(all_called("D"), screen().drop(columns=["plate", "well"]))).values())
    ordered = by_verdict(got)
    ranks = [(FITS, PARTLY, AGAINST, NOT_CHECKED).index(e.verdict) for e in ordered]
    assert ranks == sorted(ranks) and len(ordered) == len(got)
    unknown = [e for e in got if e.verdict == NOT_CHECKED]
    line = unchecked_line(got)
    assert line.startswith(f"{len(unknown)} not checked: needs ") and "\n" not in line
    for need in ("untreated wells", "image quality", "a second opinion", "a standard network"):
        assert line.count(need) == 1
    assert unchecked_line([e for e in got if e.verdict != NOT_CHECKED]) == ""
    few = Explanation("new_kind", NOT_CHECKED, "Too few.")
    assert "needs" not in unchecked_line([few]) and unchecked_line([few]).startswith("1 not")


def test_the_basis_of_a_verdict():
    assert Explanation("toxic", FITS, "", n=1, counted="wells").basis == "n = 1 well"
    assert Explanation("toxic", FITS, "", n=2000).basis == "n = 2,000 images"
    assert Explanation("toxic", NOT_CHECKED, "").basis == ""


def test_words():
    assert [percent(x) for x in (0, 0.004, 0.005, 0.714, 0.995, 1)] == [
        "0 %",
        "<1 %",
        "<1 %",
        "71 %",
        ">99 %",
        "100 %",
    ]
    assert of_all(0, 3, "well") == "0 of the 3 wells"
    assert [of_all(k, 2, "well") for k in (1, 2)] == ["1 of the 2 wells", "both wells"]
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert listed(["a"]) == "a"


def test_the_published_table(authors, shared_data):
    table, classes = published_table(authors, shared_data), authors.classes
    ranked = rank(table, classes, resamples=5).set_index("compound", drop=False)

    def of(compound: str) -> dict[str, Explanation]:
        who = Suspect.of(ranked.loc[compound], "compound")
        return {e.key: e for e in explain(table, classes, who)}

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
    from bnn_core.suspects.second_opinion import read_profiles

    features = read_profiles(shared_data / "bbbc021" / "ljosa2013_well_profiles.csv")
    rows = features.rows.assign(role=np.where(features.rows["compound"] == "DMSO", "control", ""))
    values = strength(features.values, rows["plate"].to_numpy(), (rows["role"] != "").to_numpy())
    strengths = treatment_strengths(rows, values)
    assert len(strengths) == 103
    table, classes = published_table(authors, shared_data), authors.classes
    ranked = rank(table, classes, resamples=5).set_index("compound", drop=False)
    verdicts = {}
    for compound in ("colchicine", "cytochalasin D", "PP-2"):
        who = Suspect.of(ranked.loc[compound], "compound")
        got = explain(table, classes, who, strengths=strengths)
        verdicts[compound] = next(e for e in got if e.key == "inactive_dose")
    assert verdicts["colchicine"].verdict == FITS
    assert verdicts["colchicine"].numbers["strength_rank"] <= 2
    assert verdicts["cytochalasin D"].verdict == AGAINST
    assert verdicts["cytochalasin D"].numbers["strength_rank"] == 103
    assert verdicts["PP-2"].verdict == PARTLY


def test_far_from_all_that_was_trained_on():
    table = table_of(all_called("D"))
    assert read(table)["new_kind"].verdict == NOT_CHECKED
    near = np.linspace(1.5, 2, len(table))
    # Of eight compounds the farthest is no rare thing: one in eight is.
    for mine, verdict, chance in ((3.0, PARTLY, 1 / 8), (1.0, AGAINST, 1.0)):
        unlike = np.where(table["compound"] == "B1", mine, near)
        got = read(table.assign(distance=unlike))["new_kind"]
        # Newer studies have unlikeness, which counts before a distance.
        newer = read(table.assign(unlikeness=unlike, distance=0.0))["new_kind"]
        assert (newer.verdict, newer.numbers) == (got.verdict, got.numbers)
        assert (got.verdict, got.n, got.counted) == (verdict, 7, "compounds")
        assert got.numbers["distance"] == mine and got.numbers["chance"] == chance
        assert got.numbers["median"] == pytest.approx(1.78, abs=0.01)
    assert got.numbers["nearer"] == 0
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
    assert got.verdict == NOT_CHECKED and not got.needs
