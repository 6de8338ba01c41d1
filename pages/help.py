"""Help: the questions of the paper, a glossary, shortcuts, a methods paragraph, the citation."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from bnn_core.base.errors import InputError
from bnn_core.base.scores import SCORES
from bnn_core.study.methods_text import methods_paragraph
from pages.shared import studies
from pages.shared.words import plain

#: Anchor -> question, answer.
QUESTIONS = {
    "confidence": (
        "What is the confidence score c, and where does it fold?",
        """The network gives every class a
probability (softmax). A Bayesian network does this many times, with weights drawn at random, and the
probabilities are averaged. Let *p* be the average for the predicted class. Then
**c = 1 − 2·√(p(1 − p))**.

- p = 0.99 gives c = 0.80, p = 0.9 gives c = 0.4, p = 0.5 gives c = 0.
- Below p = 0.5 the score *rises again*: an image with p = 0.1 for each of ten classes has c = 0.4.
  This is the fold. Images in the fold look surer than they are.
- The page Confidence counts the images in the fold. *Top mean softmax*, *predictive entropy* and
  *total variance* have no fold. Choose another score at the top of the page.""",
    ),
    "aleatoric": (
        "What do aleatoric and epistemic mean?",
        """The variance of the predicted class has two parts.

- **Aleatoric**: each sampled network is unsure. The image itself is ambiguous, for example empty,
  out of focus or between two phenotypes. More training images do not help.
- **Epistemic**: the sampled networks disagree with each other. The model has seen too few images
  like this one. More training images of this kind help.

*Mutual information* measures the same disagreement over all classes. A single network has no
epistemic part.""",
    ),
    "cut-off": (
        "What does a cut-off gain?",
        """Images on the unsure side of the cut-off are set aside for a person
to look at. The remaining images are right more often. The page Confidence shows both numbers for every
cut-off: the share right among the kept images, and the share kept.

- Compare two networks at the same *share kept*, not at the same cut-off: their scores mean different
  things.
- *The accuracy I need* tests the cut-offs one after another, from strict to loose, and stops before
  the first that the images do not support. In 95 of 100 studies the accuracy on new images, or new
  compounds like these, is then at least the accuracy you chose.""",
    ),
    "classes": (
        "Which classes may it be?",
        """The *set of classes* of an image holds its label with a chosen chance,
90 % at first. A class is in the set when its mean softmax is at least as high as in nine of ten images
of that class.

- What counts is a new compound, so images are compared with those of other compounds only.
- A class with few compounds (fewer than ten for 90 %) shares its limit with the other such classes.
  The chance then holds for these classes together, not for each.
- A large set means the network cannot tell these classes apart for this image. The predicted class is
  always in the set.""",
    ),
    "suspects": (
        "How are suspect labels found?",
        """A label is suspect when the predictions *consistently* look
more like one other class than like the given label, beyond the network's usual errors. Low
confidence alone does not make a suspect.

- The score is between −1 and 1. Above 0 the images look more like the other class. At 1 all
  probability is on one wrong class where no error is expected.
- The 95 % interval comes from resampling wells and compounds.
- Under *Possible explanations* the page checks known causes, for example an inactive dose, a batch
  effect or a damaged image. Several may fit. The page never corrects a label by itself: you decide.""",
    ),
    "unlike": (
        "Which images are unlike the training images?",
        """A softmax can be sure of an image
unlike any in the training set. The *unlikeness* joins two measures by rank: the distance by texture
and brightness from the nearest class of the training images, in the convolutions of the network, and
the energy, the evidence that the network finds for any class.

- At unlikeness 1 one known image in 10 is as unlike, at 2 one in 100, at 3 one in 1,000. The known
  images were predicted by networks that had not seen their compound.
- A high unlikeness means a damaged image or a new kind.
- The page Out of distribution shows how well each score separates new kinds from known ones.
- Studies of measured features, and studies made by older versions, join two distances in the last
  hidden layer with the predictive entropy instead. The oldest have one distance only: its mean is 1
  for training images.""",
    ),
    "vote": (
        "What does a vote count?",
        """In the vote of a well, treatment or compound each image votes for its
predicted class. A tie goes to the class with the higher mean softmax.""",
    ),
}
GLOSSARY = {
    "accuracy, share right": "Share of the labelled images whose predicted class is the label.",
    "AURC": "Mean share of wrong images among the k surest, over all k. Lower is better.",
    "AUROC": "Probability that a right image has a higher score than a wrong one. 0.5 is chance.",
    "Bayesian network": "A network whose weights have a distribution. Each sample is one network.",
    "calibration, ECE": "Whether 80 of 100 images with a softmax of 80 % are right. ECE is the mean "
    "difference.",
    "compound, treatment": "A treatment is a compound at one dose.",
    "control": "An untreated image. It has no label that counts.",
    "fold": "A part of the images that is predicted by a network trained without it.",
    "FPR95": "Share of unknown images above the cut-off that keeps 95 % of the known ones.",
    "mechanism (MoA)": "The mechanism of action of a compound, often the label.",
    "NLL": "Minus the mean log probability of the label, in nats. Lower is better.",
    "relabel, exclude": "Decisions on the review list: give another label, or leave the image out.",
    "softmax": "The probabilities that a network gives to the classes. They add up to 1.",
    "standard network": "The same network with fixed weights, trained in the usual way.",
    "T": "Number of sampled networks whose softmax is averaged.",
}
SHORTCUTS = {
    "Arrow keys, Page up, Page down": "Move on a wall of images, and from mark to mark in a chart; on "
    "One image: previous and next.",
    "Enter": "Open an image of a wall, or the images of a mark.",
    "Space, Ctrl-click": "Select an image. Shift extends the selection. Ctrl-A selects all.",
    "Escape": "Clear the selection of a wall; close a dialog.",
    "J, K, N": "On Suspect labels: next, previous, next undecided.",
    "U, Y": "On the review list: undo, redo. Ctrl-Z undoes on every page after a decision.",
    "1 to 9": "In the dialog of a decision: the decision, and after relabel the class.",
    "+, −, 0": "On a large image: zoom in, zoom out, fit. Ctrl with the wheel zooms too.",
}
#: The parts after the questions: anchor -> title.
PARTS = {
    "scores": "Scores",
    "glossary": "Glossary",
    "shortcuts": "Shortcuts",
    "methods": "Methods paragraph",
    "citation": "Citation",
}
CITATION = """Deodato G, Ball C, Zhang X (2020). Bayesian Neural Networks for Cellular Image
Classification and Uncertainty Analysis."""


def page() -> None:
    """Draw the page."""
    links = {anchor: question for anchor, (question, _) in QUESTIONS.items()} | PARTS
    st.markdown("\n".join(f"- [{title}](#{anchor})" for anchor, title in links.items()))
    for anchor, (question, answer) in QUESTIONS.items():
        with section(anchor, question):
            st.markdown(answer)
    section("scores").markdown(
        "\n".join(f"- **{score.title}**: {score.help}" for score in SCORES.values())
    )
    section("glossary").markdown(
        "\n".join(f"- **{word}**: {meaning}" for word, meaning in GLOSSARY.items())
    )
    section("shortcuts").markdown(
        "\n".join(f"- **{keys}**: {action}" for keys, action in SHORTCUTS.items())
    )
    methods()
    section("citation")
    st.markdown("Please cite the paper of the method:")
    st.code(CITATION.replace("\n", " "), language=None, wrap_lines=True)


def section(anchor: str, title: str = "") -> DeltaGenerator:
    """A container with a heading (default: that of PARTS). browser.js scrolls to the one that a link
    asks for: Streamlit loses what stands behind # in an address."""
    asked = st.query_params.get("about") == anchor
    place = st.container(key=f"scroll_to_{anchor}" if asked else None)
    place.header(title or PARTS[anchor], anchor=anchor)
    return place


def methods() -> None:
    """The settings of the chosen study as a paragraph to copy."""
    section("methods")
    name = st.session_state.get("study")
    if not name:
        st.caption("There is no study yet.")
        return
    try:
        paragraph = methods_paragraph(studies.opened(name))
    except InputError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.caption(f"The settings of the study “{plain(name)}”, for a manuscript.")
    st.code(paragraph, language=None, wrap_lines=True)


page()
