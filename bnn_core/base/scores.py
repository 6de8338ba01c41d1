"""One record per score: a number per image that says how sure a method is of its prediction.

To add one: a `Score` in `_RECORDS` here, and its formula in `measures.uncertainty.FORMULAS` under the
same key, which is its column in a summary.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """What the whole program knows of one score.

    key: its column in a summary, and its name in the address. name, short, symbol: for headings,
    for pickers and sentences, within a formula. help: what it means, in Markdown. direction: 1
    where a high value means sure, -1 where it means unsure. unit: "nats", or "" for a number
    without one. limit: the upper end of its range, None where it has none (`highest`). signed: it
    falls below 0 where the top mean softmax is below one half; else the lower end of its range is 0
    (`lowest`). folds: it rises again there. start: the cut-off at which pickers start; None where
    it depends on the study. least_doubt: the smallest distance from certain that stored values, in
    float32, can show. novelty: it says how unlike its training images an image is to one network.
    needs_samples: it cannot be computed from mean probabilities, so wells and compounds
    do not have it. between_networks: it measures how networks differ, so it is 0 for one network.
    """

    key: str
    name: str
    short: str
    symbol: str
    help: str
    direction: int = -1
    unit: str = ""
    limit: float | None = 1.0
    signed: bool = False
    folds: bool = False
    start: float | None = None
    least_doubt: float = 1e-6
    novelty: bool = False
    needs_samples: bool = False
    between_networks: bool = False

    @property
    def title(self) -> str:
        """The name with its unit, for axes and columns."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def axis(self) -> str:
        """The title and where the sure images are, for axes; of distances, where the unlike ones are."""
        sure, unsure = ("right", "left") if self.direction > 0 else ("left", "right")
        if self.novelty or self.key == UNLIKENESS:
            return f"{self.title} (more unlike to the {unsure})"
        return f"{self.title} (surer to the {sure})"

    @property
    def sign(self) -> str:
        """How a cut-off keeps images: "≥" keeps high values, "≤" low ones."""
        return "≥" if self.direction > 0 else "≤"

    def highest(self, num_classes: int) -> float | None:
        """Upper end of the range; None where it has none. An entropy ends at log(classes)."""
        return math.log(num_classes) if self.unit == "nats" else self.limit

    def lowest(self, num_classes: int) -> float:
        """Lower end of the range: 0, or minus the c of a uniform guess over all classes."""
        if not self.signed:
            return 0.0
        p = 1 / num_classes
        return 2 * math.sqrt(p * (1 - p)) - 1


#: The score of cut-offs, rankings and captions until another is chosen.
DEFAULT_SCORE = "signed_confidence"
#: The score of images that are unlike all training images.
UNLIKENESS = "unlikeness"
#: The last step of float32 below 1 is 6e-8, which for c = 1 - 2 sqrt(p (1 - p)) is a step of 4.9e-4.
_LEAST_DOUBT_OF_C = 4e-4

_RECORDS = (
    Score(
        DEFAULT_SCORE,
        "Signed confidence",
        "signed confidence",
        "signed c",
        "The published confidence c where the mean softmax p of the predicted class is at least one "
        "half, and −c below. It orders images as p does: 1 is certain, 0 is p = 0.5, and a guess "
        "among many classes is negative. From p = 0.5 on it *is* c.",
        direction=1,
        signed=True,
        start=0.5,
        least_doubt=_LEAST_DOUBT_OF_C,
    ),
    Score(
        "margin",
        "Margin",
        "margin",
        "margin",
        "The mean softmax of the likeliest class minus that of the second, from 0 to 1.",
        direction=1,
    ),
    Score(
        "confidence",
        "Confidence score c",
        "confidence c",
        "c",
        "c = 1 − 2·√(p(1 − p)), where p is the mean softmax of the predicted class. c is "
        "0 at p = 0.5 and *rises again below*: an image without a likely class (p = 0.1 for each "
        "of ten classes) has c = 0.4. It is the score of the paper. Signed confidence does not rise "
        "again.",
        direction=1,
        folds=True,
        start=0.5,
        least_doubt=_LEAST_DOUBT_OF_C,
    ),
    Score(
        "top_softmax",
        "Top mean softmax",
        "top softmax",
        "top softmax",
        "The mean softmax of the predicted class, from 1 / number of classes to 1.",
        direction=1,
    ),
    Score(
        "predictive_entropy",
        "Predictive entropy",
        "predictive entropy",
        "entropy",
        "How widely the mean softmax is spread over all classes, in nats: 0 when all of it is on "
        "one class.",
        unit="nats",
    ),
    Score(
        "total_variance",
        "Total variance",
        "total variance",
        "total variance",
        "1 − Σ p², the variance over all classes: 0 when all probability is on one class.",
    ),
    Score(
        "mutual_information",
        "Mutual information",
        "mutual information",
        "mutual information",
        "How much the sampled networks disagree with one another, in nats. This is the "
        "uncertainty of the model, which more training data can reduce.",
        unit="nats",
        needs_samples=True,
        between_networks=True,
    ),
    Score(
        "epistemic",
        "Epistemic variance",
        "epistemic",
        "epistemic",
        "Variance of the predicted class between the sampled networks. This is the uncertainty "
        "of the model, which more training data can reduce.",
        limit=0.25,
        needs_samples=True,
        between_networks=True,
    ),
    Score(
        "aleatoric",
        "Aleatoric variance",
        "aleatoric",
        "aleatoric",
        "Variance of the predicted class within the sampled networks. This is the uncertainty "
        "that comes from the image itself.",
        limit=0.25,
        needs_samples=True,
    ),
    Score(
        "distance",
        "Distance from the training images",
        "distance",
        "distance",
        "How far the image is from the nearest class of the training images, in the network's "
        "last hidden layer (Mahalanobis). The training images have a distance of 1 on average.",
        limit=None,
        novelty=True,
    ),
    Score(
        UNLIKENESS,
        "Unlikeness to the training images",
        "unlikeness",
        "unlikeness",
        "How unlike all training images the image is: its distance by texture and brightness and its "
        "energy, joined by rank. (Networks of features, and older studies, join the distances from the "
        "nearest class and from the nearest training images with the predictive entropy instead.) At 1 "
        "one known "
        "image in 10 is as unlike, at 2 one in 100, at 3 one in 1,000. The known images are those "
        "that the study counts, each predicted by a network that was not trained on it. A softmax "
        "can be sure of an image unlike any it was trained on; this score answers that question.",
        limit=None,
    ),
    Score(
        "texture_distance",
        "Distance by texture and brightness",
        "texture distance",
        "texture distance",
        "How far the image is from the nearest class of the training images by the mean and the spread "
        "of every map of the network's convolutions (Mahalanobis). The training images have a distance "
        "of 1 on average. It sees damage and cells that the last layer takes for a known class.",
        limit=None,
        novelty=True,
    ),
    Score(
        "energy",
        "Energy (log-sum-exp of the logits)",
        "energy",
        "energy",
        "The logarithm of the summed exponentials of the network's outputs before the softmax. "
        "It is low where no class gets evidence.",
        direction=1,
        limit=None,
        novelty=True,
    ),
    Score(
        "neighbour_distance",
        "Distance from the nearest training images",
        "neighbour distance",
        "neighbour distance",
        "1 minus the cosine between the image and its fifth nearest training image, in the "
        "network's last hidden layer.",
        limit=2.0,
        novelty=True,
    ),
    Score(
        "normalised_distance",
        "Distance of normalised features",
        "normalised distance",
        "normalised distance",
        "The distance from the nearest class of the training images, with all features scaled to "
        "length 1 first. The training images have a distance of 1 on average.",
        limit=None,
        novelty=True,
    ),
)
SCORES = {score.key: score for score in _RECORDS}
#: Scores that the layers of one network give, see `networks.novelty`.
NOVELTY = tuple(score.key for score in _RECORDS if score.novelty)
#: A score of the label, not of a prediction: only images that a fold was trained on have it, so it is
#: no score of cut-offs.
TRAINING_MARGIN = Score(
    "training_margin",
    "Margin in training",
    "margin in training",
    "margin in training",
    "How far the given label's logit led that of every other class while networks were trained on the "
    "image, averaged over training (area under the margin, Pleiss et al. 2020): a negative margin is a "
    "label that training resists.",
    direction=1,
    limit=None,
)
