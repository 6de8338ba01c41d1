"""Explanations from predictions alone: a wrong label, a weak network, images of a new kind."""

import numpy as np

from bnn_core.base.scores import SCORES
from bnn_core.base.wording import be, count, listed, of_all, percent
from bnn_core.measures.levels import LEVEL_COLUMNS
from bnn_core.measures.unlikeness import unlikeness_score
from bnn_core.suspects.explanation import AGAINST, FITS, PARTLY, Explanation, not_checked
from bnn_core.suspects.suspect import Case

#: Share of wrong images from which on a label may be wrong, and share of these on one class.
MAJORITY, ONE_CLASS = 1 / 2, 2 / 3
#: Share of a class's other compounds predicted correctly below which the network is weak on it,
#: or rather weak.
WEAK_CLASS, RATHER_WEAK_CLASS = 1 / 2, 3 / 4
#: Chance of being as far from the training images below which something is far, or rather far.
FAR, RATHER_FAR = 0.05, 0.2


def wrong_label(case: Case) -> Explanation:
    """Does one other class get the images? A wrong label gives one class, doubt gives several."""
    key, label = "wrong_label", case.suspect.label
    n, wrong = len(case.rows), int(case.wrong.sum())
    if not wrong:
        return Explanation(
            key,
            AGAINST,
            f"{of_all(n, n, 'image').capitalize()} {be(n)} predicted as {label}, as labelled.",
            {"wrong": 0.0, "one_class": 0.0},
            n,
        )
    classes = case.rows["predicted"][case.wrong].value_counts()
    # Among equally frequent classes the one that the suspect is compared with comes first.
    classes = classes.iloc[
        np.lexsort((classes.index.astype(str), classes.index != case.suspect.suspected, -classes))
    ]
    most_frequent = int(classes.iloc[0])
    one_class = most_frequent / wrong >= ONE_CLASS
    if wrong / n >= MAJORITY:
        verdict = FITS if one_class else PARTLY
        meaning = (
            "One other class for most images is what a wrong label looks like."
            if one_class
            else "The wrong predictions are spread over several classes, not one."
        )
    else:
        verdict = PARTLY if wrong / n >= MAJORITY / 2 and one_class else AGAINST
        meaning = "Most images are predicted as labelled."
    counts = [f"{k:,} as {name}" for name, k in classes.iloc[:3].items()]
    if len(classes) > 3:
        counts.append(f"{classes.iloc[3:].sum():,} as other classes")
    if wrong == 1:
        counts = [f"as {classes.index[0]}"]
    elif len(classes) == 1:
        counts = [f"all as {classes.index[0]}"]
    return Explanation(
        key,
        verdict,
        f"{of_all(wrong, n, 'image').capitalize()} {be(wrong, n)} predicted wrongly, "
        f"{listed(counts, 4)}. {meaning}",
        {
            "wrong": wrong / n,
            "one_class": most_frequent / n,
            "among_wrong": most_frequent / wrong,
            "classes": float(len(classes)),
        },
        n,
    )


def weak_model(case: Case) -> Explanation:
    """Does the network recognise the class in other compounds (other images, without compounds)?"""
    key, label, suspected = "weak_model", case.suspect.label, case.suspect.suspected
    peers = case.table[case.scored & ~case.compound & (case.table["label"] == label).to_numpy()]
    if case.has("compound"):
        peers, noun = peers[peers["compound"].notna()], "other compound"
        if peers.empty:
            return Explanation(
                key,
                FITS,
                f"No other compound is labelled {label}. The network for this compound was "
                "trained without an example of the class.",
                {"peers": 0.0},
                0,
                "compounds",
            )
        means = peers.groupby("compound", sort=False)[[f"p_{c}" for c in case.classes]].mean()
        predicted = np.asarray(case.classes, dtype=object)[means.to_numpy().argmax(axis=1)]
    else:
        noun = "other image"
        if peers.empty:
            return not_checked(key, f"No other image is labelled {label}.")
        predicted = peers["predicted"].to_numpy()
    n, right, same = (
        len(predicted),
        int((predicted == label).sum()),
        int((predicted == suspected).sum()),
    )
    recall, image_recall = right / n, float((peers["predicted"] == label).mean())
    verdict = FITS if recall < WEAK_CLASS else PARTLY if recall < RATHER_WEAK_CLASS else AGAINST
    sentence = (
        f"{right:,} of {count(n, noun)} labelled {label} {be(right)} predicted correctly "
        f"({percent(image_recall)} of {count(len(peers), 'image')})."
    )
    if same:
        sentence += f" {same:,} {be(same)} also predicted as {suspected}."
    return Explanation(
        key,
        verdict,
        sentence,
        {
            "recall": recall,
            "image_recall": image_recall,
            "same_wrong_class": float(same),
            "peers": float(n),
        },
        n,
        noun.removeprefix("other ") + "s",
    )


def new_kind(case: Case) -> Explanation:
    """Are its images farther from the training images than those of others at its level?

    Measured by the chance that one compound (treatment, well, image) of the study is this far.
    """
    key, level = "new_kind", case.suspect.level
    score = unlikeness_score(case.table)
    if score is None:
        return not_checked(
            key,
            "The study has no distances from the training images.",
            ["distances from the training images"],
        )
    columns = list(LEVEL_COLUMNS[level])
    others = case.table[[score, *columns]][case.scored & ~case.compound]
    if columns:
        others = others.groupby(columns, observed=True)
    distances = (others[score].mean() if columns else others[score]).dropna()
    n = len(distances)
    if _chance(n, n) > RATHER_FAR:
        return not_checked(
            key, f"{count(n, f'other {level}')} {be(n)} too few to compare distances."
        )
    distance = float(case.rows[score].mean())
    nearer, median = int((distances < distance).sum()), float(distances.median())
    chance = _chance(nearer, n)
    verdict = FITS if chance <= FAR else PARTLY if chance <= RATHER_FAR else AGAINST
    return Explanation(
        key,
        verdict,
        f"Its mean {SCORES[score].name[0].lower()}{SCORES[score].name[1:]} is {distance:.2f} ("
        f"median {level}: {median:.2f}). {nearer:,} of {count(n, f'other {level}')} "
        f"{be(nearer)} nearer."
        + (
            " It may be a mechanism that no label names, or the images are poor."
            if verdict != AGAINST
            else ""
        ),
        {"distance": distance, "median": median, "nearer": nearer / n, "chance": chance},
        n,
        f"{level}s",
    )


def _chance(nearer: int, n: int) -> float:
    """Chance that one of n + 1 exchangeable values has at least `nearer` of the others below it."""
    return (n - nearer + 1) / (n + 1)
