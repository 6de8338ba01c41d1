"""Readings from predictions alone: the label, the model, another model, the batch."""

import numpy as np
import pandas as pd

from bnn_core.base.wording import be, count, listed, of_all
from bnn_core.measures.levels import LEVEL_COLUMNS, scored_rows
from bnn_core.suspects.batches import owned_classes
from bnn_core.suspects.explanations import AGAINST, FITS, PARTLY, Case, Reading, cannot_tell
from bnn_core.suspects.own_errors import own_errors

#: Shares of images from which on "most" is said of being wrong, and of agreeing on one class.
_MOST, _AGREEING = 1 / 2, 2 / 3
#: How much more often another opinion must call the images by the label to be called another one.
_CLEARLY = 1 / 4
#: Share of a label's other compounds called right below which the model is weak on it, or so-so.
_WEAK, _SO_SO = 1 / 2, 3 / 4
#: Chance of lying as far from the training images below which something lies far, or rather far.
_FAR, _RATHER_FAR = 0.05, 0.2
#: Chance of a same-batch class above which meeting one says little.
_LIKELY_ANYWAY = 3 / 4


def wrong_label(case: Case) -> Reading:
    """One wrong class or many: a wrong label gives one, doubt gives several."""
    explanation = "The label is wrong"
    n, wrong = len(case.rows), int(case.wrong.sum())
    if not wrong:
        return Reading(
            "wrong_label",
            explanation,
            AGAINST,
            f"{of_all(n, n, 'image').capitalize()} {be(n)} called "
            f"{case.suspect.label}, as labelled.",
            {"wrong": 0.0, "one_class": 0.0},
            n,
        )
    classes = case.rows["predicted"][case.wrong].value_counts()
    # Of classes that are equally common first the one that the suspect is compared with.
    classes = classes.iloc[
        np.lexsort((classes.index.astype(str), classes.index != case.suspect.suspected, -classes))
    ]
    top, k = str(classes.index[0]), int(classes.iloc[0])
    if wrong / n >= _MOST:
        verdict = FITS if k / wrong >= _AGREEING else PARTLY
    else:
        verdict = PARTLY if wrong / n >= _MOST / 2 and k / wrong >= _AGREEING else AGAINST
    parts = [f"{m:,} {name}" for name, m in classes.iloc[1:3].items()]
    if len(classes) > 3:
        parts.append(f"{classes.iloc[3:].sum():,} something else")
    spread = listed([f"{k:,} of them {top}", *parts], 4) if parts else f"all of them {top}"
    if wrong == 1:
        spread = top
    meaning = {
        FITS: "one wrong class, as a wrong label would give",
        PARTLY: (
            "one wrong class, but many images are called right"
            if wrong / n < _MOST
            else "wrong, but not one class: doubt rather than another mechanism"
        ),
        AGAINST: "no sign of a wrong label, for most images are called right",
    }[verdict]
    return Reading(
        "wrong_label",
        explanation,
        verdict,
        f"{of_all(wrong, n, 'image').capitalize()} {be(wrong, n)} called something else than "
        f"{case.suspect.label}: {spread}. That is {meaning}.",
        {
            "wrong": wrong / n,
            "one_class": k / n,
            "among_wrong": k / wrong,
            "classes": float(len(classes)),
        },
        n,
    )


def weak_model(case: Case) -> Reading:
    """The class's own recall, over its other compounds (images where there are no compounds)."""
    explanation, label = "The model is weak on this label", case.suspect.label
    peers = case.table[case.scored & ~case.compound & (case.table["label"] == label).to_numpy()]
    if case.has("compound"):
        peers = peers[peers["compound"].notna()]
        if peers.empty:
            return Reading(
                "weak_model",
                explanation,
                FITS,
                f"No other compound is labelled {label}: without this one the model has "
                "no example of it and cannot call it right.",
                {"peers": 0.0},
                0,
                "compounds",
            )
        called = peers.groupby("compound", sort=False)[[f"p_{c}" for c in case.classes]].mean()
        names = np.asarray(case.classes, dtype=object)[called.to_numpy().argmax(axis=1)]
        noun = "other compound"
    else:
        if peers.empty:
            return cannot_tell("weak_model", explanation, f"No other image is labelled {label}.")
        names, noun = peers["predicted"].to_numpy(), "other image"
    right, same = int((names == label).sum()), int((names == case.suspect.suspected).sum())
    n, recall = len(names), right / len(names)
    verdict = FITS if recall < _WEAK else PARTLY if recall < _SO_SO else AGAINST
    of_images = float((peers["predicted"] == label).mean())
    sentence = (
        f"{of_all(right, n, noun).capitalize()} labelled {label} {be(right, n)} called "
        f"right ({of_images:.0%} of {count(len(peers), 'image')})."
    )
    if same:
        sentence += (
            f" {same} of them {be(same)} called {case.suspect.suspected} too."
            if n > 1
            else f" It is called {case.suspect.suspected} too."
        )
    return Reading(
        "weak_model",
        explanation,
        verdict,
        sentence,
        {
            "recall": recall,
            "image_recall": of_images,
            "same_wrong_class": float(same),
            "peers": float(n),
        },
        n,
        noun.removeprefix("other ") + "s",
    )


def new_kind(case: Case) -> Reading:
    """How far its images lie from all training images, beside others of its level.

    By the chance that a compound (treatment, well, image) drawn with the others lies so far out.
    """
    name, explanation = "new_kind", "It is like nothing the network was trained on"
    if not case.has("distance"):
        return cannot_tell(
            name,
            explanation,
            "The study does not say how far images lie from the "
            "training images; studies made anew do.",
            ["distance"],
        )
    level = case.suspect.level
    others = case.table[case.scored & ~case.compound]
    if keys := list(LEVEL_COLUMNS[level]):
        others = others.groupby(keys, observed=True)
    distances = others["distance"].mean().dropna() if keys else others["distance"].dropna()
    n = len(distances)
    if _chance(n, n) > _RATHER_FAR:
        return cannot_tell(
            name,
            explanation,
            f"{count(n, f'other {level}').capitalize()} {be(n)} too few to compare with.",
        )
    own = float(case.rows["distance"].mean())
    nearer, median = int((distances < own).sum()), float(distances.median())
    chance = _chance(nearer, n)
    verdict = FITS if chance <= _FAR else PARTLY if chance <= _RATHER_FAR else AGAINST
    return Reading(
        name,
        explanation,
        verdict,
        f"Its images lie at {own:.2f} from the training images, which lie at 1 themselves and "
        f"the median {level} at {median:.2f}; {of_all(nearer, n, f'other {level}')} "
        f"{be(nearer, n)} nearer."
        + (" A mechanism that no label names, or bad images." if verdict != AGAINST else ""),
        {"distance": own, "median": median, "nearer": nearer / n, "chance": chance},
        n,
        f"{level}s",
    )


def _chance(nearer: int, n: int) -> float:
    """Chance that of n + 1 alike at least n - nearer others lie no nearer than one of them."""
    return (n - nearer + 1) / (n + 1)


def other_network(case: Case, standard: pd.DataFrame | None) -> Reading:
    """What the standard network says of the same images; `standard` has the rows of the table."""
    name, explanation = "other_network", "Only this network errs"
    if standard is None:
        return cannot_tell(
            name,
            explanation,
            "The study has no standard network.",
            ["predictions of the standard network"],
        )
    rows = standard[case.own & case.scored]
    return _compared(case, rows, name, explanation, "The standard network", "images")


def other_data(case: Case, second: pd.DataFrame | None) -> Reading:
    """What other data say of the same compound (and dose): features, or another study."""
    name, explanation = "other_data", "Only these images or networks err"
    if second is None:
        return cannot_tell(
            name,
            explanation,
            "There is no second opinion; 'bnn second-opinion "
            "STUDY FEATURES' makes one from a table of measured features.",
            ["second opinion"],
        )
    if not case.has("compound"):
        return cannot_tell(
            name,
            explanation,
            "Images are matched by compound, and the study names none.",
            ["compound"],
        )
    wanted = {str(c).strip().casefold() for c in case.rows["compound"].dropna()}
    found = second["compound"].astype(str).str.strip().str.casefold().isin(wanted).to_numpy()
    rows = second[found & scored_rows(second)]
    if rows.empty:
        return cannot_tell(
            name, explanation, "The second opinion does not have this compound with a label."
        )
    if case.suspect.level == "treatment" and "concentration" in rows:
        same_dose = rows[rows["concentration"] == case.suspect.keys["concentration"]]
        rows = rows if same_dose.empty else same_dose
    return _compared(case, rows, name, explanation, "The second opinion", "rows")


def batch(case: Case) -> Reading:
    """Is the wrong class that of a training compound of the same batch, and how likely by chance?

    Chance is the compound's own: what wrong probability would meet same-batch classes, given which
    classes the other compounds' errors go to. One compound is one observation; the test of the
    whole table is `batches.batch_pull`.
    """
    name, explanation = "batch", "The network recognises the batch"
    if not case.has("batch", "compound"):
        return cannot_tell(
            name,
            explanation,
            "The study does not say which compounds were imaged "
            "together, or for this compound it is not known.",
            ["batch"],
        )
    rows = case.table[case.scored & case.table["compound"].notna().to_numpy()]
    keys = rows.groupby(["compound", "label"], sort=False)
    codes = keys.ngroup().to_numpy()
    first = rows.iloc[np.unique(codes, return_index=True)[1]]
    index = pd.Index(case.classes)
    labels = index.get_indexer(first["label"])
    p = rows[[f"p_{c}" for c in case.classes]].to_numpy(np.float64)
    means = np.stack([np.bincount(codes, column) for column in p.T], axis=1)
    means /= np.bincount(codes)[:, None]
    owned = owned_classes(rows, codes, len(labels), labels, len(case.classes))
    mine = np.flatnonzero(
        (first["compound"] == case.rows["compound"].iloc[0]).to_numpy()
        & (first["label"] == case.suspect.label).to_numpy()
    )[0]
    chance = float(own_errors(means, labels, owned).chance_owned()[mine])
    suspected = case.suspect.suspected
    share = float(owned[mine, index.get_loc(suspected)])
    called = index.get_indexer(case.rows["predicted"][case.wrong])
    met = float(owned[mine, called].mean()) if len(called) else 0.0
    batches = case.rows["batch"].dropna().unique()
    sharers = rows["batch"].isin(batches) & (rows["label"] == suspected)
    sharers = sorted(set(rows["compound"][sharers]) - set(case.rows["compound"]))
    where = listed([str(b) for b in batches])
    numbers = {"owned": share, "wrong_owned": met, "chance": chance, "sharers": float(len(sharers))}
    by_chance = (
        f" {met:.0%} of its wrong calls meet a class of its batch; {chance:.0%} would by chance."
        if len(called)
        else ""
    )
    if share < _MOST:
        return Reading(
            name,
            explanation,
            PARTLY if met >= _MOST else AGAINST,
            f"No training compound of {suspected} was imaged in {where}: the batch does "
            f"not suggest that class.{by_chance}",
            numbers,
            0,
            "compounds",
        )
    verdict = PARTLY if chance > _LIKELY_ANYWAY else FITS
    return Reading(
        name,
        explanation,
        verdict,
        f"Batch-compatible, not explained: {listed(sharers)}, labelled {suspected}, "
        f"{be(len(sharers))} from the same batch ({where}).{by_chance}",
        numbers,
        len(sharers),
        "compounds",
    )


def _compared(
    case: Case, rows: pd.DataFrame, name: str, explanation: str, who: str, counted: str
) -> Reading:
    """Does another opinion side with the label, with the suspected class, or with neither?"""
    label, suspected, n = case.suspect.label, case.suspect.suspected, len(rows)
    as_label = int((rows["predicted"] == label).sum())
    as_suspected = int((rows["predicted"] == suspected).sum())
    means = dict(zip(case.classes, case.mean_p(_with_classes(rows, case.classes)), strict=True))
    noun = "image" if counted == "images" else "row"
    if "well" in rows and rows["well"].notna().all() and counted == "rows":
        noun = "well" if not rows[["plate", "well"]].duplicated().any() else "row"
    where = ""
    if counted == "rows" and "plate" in rows and rows["plate"].notna().all():
        where = f" on {count(rows['plate'].nunique(), 'plate')}"
    if as_suspected / n >= _MOST and means[suspected] > means[label]:
        verdict, means_that = AGAINST, "agrees with the wrong class"
    elif as_label / n >= _MOST and means[label] > means[suspected]:
        verdict, means_that = FITS, "agrees with the label"
        if as_label / n < (case.rows["predicted"] == label).mean() + _CLEARLY:
            verdict, means_that = AGAINST, "agrees with the label, hardly more than this network"
    else:
        verdict, means_that = PARTLY, "is divided"
        if as_label / n < _MOST and means[label] < max(means.values()) / 2:
            means_that = "finds neither"
    sentence = (
        f"{who} {means_that}: {of_all(as_label, n, noun)}{where} {be(as_label, n)} called "
        f"{label}, {as_suspected} {suspected}"
    )
    others = rows["predicted"][~rows["predicted"].isin([label, suspected])].value_counts()
    sentence += f", {int(others.iloc[0])} {others.index[0]}" if len(others) else ""
    sentence += f" (mean probability {means[label]:.2f} and {means[suspected]:.2f})."
    return Reading(
        name,
        explanation,
        verdict,
        sentence,
        {
            "as_label": as_label / n,
            "as_suspected": as_suspected / n,
            "p_label": means[label],
            "p_suspected": means[suspected],
        },
        n,
        noun + "s",
    )


def _with_classes(rows: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    missing = {f"p_{c}": 0.0 for c in classes if f"p_{c}" not in rows}
    return rows.assign(**missing) if missing else rows
