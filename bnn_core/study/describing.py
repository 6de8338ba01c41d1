"""A study in words: one line for the command that made it, its facts for pages and reports."""

from pathlib import Path

import pandas as pd

from bnn_core.base.methods import method_of
from bnn_core.base.wording import count, percent
from bnn_core.study.folder import Study, open_study

#: Figures of `evaluation.evaluate_probabilities` in words.
QUALITY_NAMES = {
    "auroc_confidence": "AUROC of right, by c",
    "auroc_top": "AUROC of right, by top softmax",
    "aurc": "AURC",
    "augrc": "AUGRC",
    "ece": "Calibration error (ECE)",
    "nll": "Negative log likelihood",
    "brier": "Brier score",
}
#: `temperature.LIMITS[0]`; its module would bring torch to every page.
_COLDEST = 0.01
#: Settings of a method: words, and whether only Bayesian networks have it.
SETTINGS = {
    "network": ("network", False),
    "num_samples": ("T, networks drawn", False),
    "prior": ("prior", True),
    "prior_pi": ("prior: π", True),
    "prior_sigma1": ("prior: σ₁", True),
    "prior_sigma2": ("prior: σ₂", True),
    "prior_sigma": ("prior: σ", True),
    "prior_scale": ("prior: σ in units of", True),
    "prior_centre": ("prior: centre", True),
    "kl_weight": ("weight of the KL term", True),
    "sigma_init": ("first σ over the layer's weights", True),
    "rho_learning_rate": ("learning rate of ρ", True),
    "dropout": ("dropout rate", False),
    "members": ("members of the ensemble", False),
    "epochs": ("epochs", False),
    "batch_size": ("batch size", False),
    "learning_rate": ("learning rate", False),
    "schedule": ("schedule", False),
    "swa": ("averaged share of the steps", False),
    "weight_decay": ("weight decay", False),
    "tta": ("averaged over symmetries", False),
    "calibrate": ("temperature fitted to", False),
    "validation": ("held back for validation", False),
    "seed": ("seed", False),
}
#: `Division.leave_out` -> what the networks predict.
LEFT_OUT = {
    "group": "new compounds",
    "batch": "new compounds in new batches",
    "label": "mechanisms never seen",
}
#: Kinds of studies that can be made with `--leave-out`.
_OF_CELLS = ("bbbc021", "demo", "features", "plate")
#: Values that say that a setting is not used.
UNSET = (None, "none")


def one_line(path: Path) -> str:
    """Where a study is, its size, and the accuracy of each method with its n."""
    return describe(open_study(path))


def with_notes(path: Path) -> str:
    """`one_line`, after what a reader should know: images left out, labels no fold could learn."""
    study = open_study(path)
    return "\n".join([*study.meta.get("notes", []), describe(study)])


def describe(study: Study) -> str:
    """One line of a study's contents."""
    image_level = {
        method: image
        for method in study.methods
        if (image := study.meta["metrics"].get(method, {}).get("image"))
    }
    parts = [
        f"{method_of(method).name} {percent(image['accuracy'], 2)}"
        for method, image in image_level.items()
    ]
    accuracy = ""
    if image_level:
        image = next(iter(image_level.values()))
        apart = image.get("unpredictable")
        further = f" ({apart:,} unpredictable counted separately)" if apart else ""
        accuracy = f", accuracy on {count(image['n'], f'scored {study.noun}')}{further}: {'; '.join(parts)}"
    return f"{study.path}: {study.meta['title']}, {count(study.meta['rows'], study.noun)}{accuracy}"


def left_out(study: Study) -> str | None:
    """What the networks of a study predict, as one of LEFT_OUT; None where it is not recorded."""
    return LEFT_OUT.get((study.meta.get("settings") or {}).get("leave_out"))


def batches_can_be_left_out(study: Study) -> bool:
    """Whether its command can make a study of new batches: it left out compounds, of 2 batches."""
    images = study.images
    if study.meta["kind"] not in _OF_CELLS or left_out(study) != LEFT_OUT["group"]:
        return False
    batches = images["batch"][images["role"] == "scored"] if "batch" in images else pd.Series()
    return batches.notna().all() and batches.nunique() > 1


def study_facts(study: Study) -> dict[str, str]:
    """What the study is and what made it."""
    meta = study.meta
    lines = {
        "Study": f"{study.name}: {meta['title']}",
        "Made": meta["created"],
        f"{study.noun.capitalize()}s": f"{meta['rows']:,}",
        "Classes": str(len(study.classes)),
    }
    if predicted := left_out(study):
        lines["Predicted"] = predicted
    counts = {role: n for role, n in (meta.get("roles") or {}).items() if n}
    if len(counts) > 1:
        lines["Roles"] = ", ".join(f"{n:,} {role}" for role, n in counts.items())
    for name, value in sorted((meta.get("settings") or {}).items()):
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            lines.setdefault(name.replace("_", " "), _value(value))
    lines["Versions"] = ", ".join(f"{k} {v}" for k, v in (meta.get("versions") or {}).items())
    lines["Fingerprint"] = study.fingerprint
    return lines


def method_settings(study: Study) -> dict[str, list[str]]:
    """The settings a reader asks for first, one column per method; those that no method has drop.

    A standard network has neither prior nor KL term, and a Gaussian prior one standard deviation,
    whatever their configuration files carry along.
    """
    lines = {}
    for name, (words, bayesian) in SETTINGS.items():
        values = []
        for method in study.methods:
            record = study.meta["methods"].get(method) or {}
            alien = bayesian and (method_of(method).single or record.get("bayesian") is False)
            alien |= record.get("prior") == "gaussian" and name in ("prior_pi", "prior_sigma2")
            values.append("–" if alien or record.get(name) in UNSET else _value(record[name]))
        if any(value != "–" for value in values):
            lines[words] = values
    fitted = {m: (study.meta["methods"].get(m) or {}).get("fitted") or {} for m in study.methods}
    for name in dict.fromkeys(name for record in fitted.values() for name in record):
        lines[f"fitted: {name.replace('_', ' ')}"] = [
            _fitted(name, record[name]) if name in record else "–" for record in fitted.values()
        ]
    return lines


def _fitted(name: str, values: list[float]) -> str:
    """One number per fold as one, or as a range; a note marks a temperature at its limit."""
    low, high = min(values), max(values)
    text = _value(low) if low == high else f"{_value(low)} to {_value(high)}"
    limited = sum(value <= _COLDEST for value in values)
    if name == "temperature" and limited:
        text += (
            f" (the lower limit in {limited} of {len(values)} folds: all images held back were "
            "right)"
        )
    return text


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
