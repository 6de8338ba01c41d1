"""A study's settings as a paragraph for the methods section of a manuscript."""

from bnn_core.base.methods import method_of
from bnn_core.base.wording import count, listed
from bnn_core.study.describing import LEFT_OUT, left_out
from bnn_core.study.folder import Study

PAPER_CITATION = (
    "Deodato, Ball and Zhang (2020), “Bayesian Neural Networks for Cellular Image Classification "
    "and Uncertainty Analysis”"
)
_PRIORS = {"gaussian": "a Gaussian prior", "mixture": "a scale mixture of two Gaussians as prior"}


def methods_paragraph(study: Study) -> str:
    """The images, folds, networks and scores of a study in plain sentences.

    States only what study.json records; an imported study has no training settings.
    """
    meta = study.meta
    scored = (meta.get("roles") or {}).get("scored")
    sentences = [
        f"The data set has {count(meta['rows'], study.noun)} and {count(len(study.classes), 'class')}"
        + (f"; {scored:,} {study.noun}s count for accuracy." if scored else ".")
    ]
    if held_out := _folds(study):
        sentences.append(held_out)
    sentences += [_method(study, method) for method in study.methods]
    if study.bayes_method is not None:
        sentences.append(
            f"Uncertainty was computed as in {PAPER_CITATION}: with p the mean softmax of the predicted "
            "class, the confidence score is c = 1 − 2√(p(1 − p)), and the variance of the predicted "
            "class was split into an aleatoric and an epistemic part."
        )
    versions = meta.get("versions") or {}
    if versions:
        programs = listed([f"{name} {version}" for name, version in versions.items()])
        sentences.append(f"Programs: {programs}.")
    sentences.append(f"The fingerprint of the study is {study.fingerprint}.")
    return " ".join(sentences)


def _folds(study: Study) -> str:
    """One sentence about the cross-validation; empty without folds."""
    folds = study.images["fold"].dropna()
    number = folds[folds >= 0].nunique()
    if number < 2:
        return ""
    predicted = left_out(study)
    units = {
        LEFT_OUT["group"]: "folds of compounds",
        LEFT_OUT[
            "batch"
        ]: f"folds of {LEFT_OUT['batch']}: a fold trained on no image of the batches "
        "of its compounds",
        LEFT_OUT["label"]: "folds of mechanisms",
    }
    return (
        f"Every {study.noun} was predicted by networks trained without it, in a cross-validation with "
        f"{number:,} {units.get(predicted, f'folds of {study.noun}s')}."
    )


def _method(study: Study, method: str) -> str:
    """One sentence about a method and its training."""
    settings = study.meta["methods"].get(method) or {}
    parts = []
    if settings.get("network"):
        parts.append(f"network {settings['network']}")
    if settings.get("epochs"):
        parts.append(count(settings["epochs"], "epoch"))
    if settings.get("batch_size"):
        parts.append(f"batches of {settings['batch_size']:,}")
    if settings.get("learning_rate"):
        optimizer = settings.get("optimizer", "the optimizer")
        parts.append(f"{optimizer} with a learning rate of {settings['learning_rate']:g}")
    single = method_of(method).single
    if not single and settings.get("prior") in _PRIORS:
        parts.append(_PRIORS[settings["prior"]])
        if settings.get("kl_weight") not in (None, 1, 1.0):
            parts.append(f"the KL term weighted by {settings['kl_weight']:g}")
    if settings.get("seed") is not None:
        parts.append(f"seed {settings['seed']}")
    samples = settings.get("num_samples")
    text = f"{method_of(method).name}: {', '.join(parts) or 'settings not recorded'}"
    if not single and samples:
        text += f"; predictions average the softmax of {count(samples, 'network')}"
    return text + "."
