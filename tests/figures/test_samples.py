"""Figures of the samples: nothing left out, verdicts where they belong."""

import numpy as np
import pandas as pd
import pytest

from bnn_core.figures import averaging, style
from bnn_core.figures import samples as figures
from bnn_core.measures import sample_views

CLASSES = [f"class {i}" for i in range(4)]
SAMPLES = np.random.default_rng(0).dirichlet(np.ones(4), 25)


def texts(figure):
    return [a.text for a in figure.layout.annotations]


def test_every_sample_of_every_class_is_a_dot():
    figure = figures.distribution(figures.Average(SAMPLES.mean(0)), CLASSES, 1, samples=SAMPLES)
    dots = [t for t in figure.data if t.name.startswith("network")]
    assert sum(len(t.x) for t in dots) == 25 * 4
    mine = next(t for t in dots if t.name == "network predicts this class")
    assert len(mine.x) == 25  # one class each
    np.testing.assert_allclose(
        np.sort(np.concatenate([t.x for t in dots])), np.sort(SAMPLES.ravel())
    )


@pytest.mark.parametrize(
    ("label", "words"), [(0, "✓ right"), (1, "<b>✕ wrong</b>"), (None, "predicted")]
)
def test_the_verdict_is_beside_the_predicted_class(label, words):
    mean = np.array([0.7, 0.1, 0.1, 0.1])
    figure = figures.distribution(figures.Average(mean), CLASSES, label)
    verdict = next(a for a in figure.layout.annotations if a.text == words)
    assert verdict.y == 0
    ticks = list(figure.layout.yaxis.ticktext)
    assert ("class 1 (label)" in ticks) == (label == 1)


def test_both_networks_are_side_by_side_under_their_names():
    one, other = (
        figures.Average(np.array([0.9, 0.1])),
        figures.Average(np.array([0.4, 0.6]), "Standard", style.STANDARD),
    )
    figure = figures.distribution(one, ["a<b", "c"], 1, beside=other)
    assert {t.name: list(t.x) for t in figure.data} == {
        "Bayesian": [0.9, 0.1],
        "Standard": [0.4, 0.6],
    }
    assert list(figure.layout.yaxis.ticktext) == ["a&lt;b", "c (label)"]


def test_many_classes_are_cut_to_the_likely_ones_and_the_label():
    mean = np.linspace(1, 0, 62) / np.linspace(1, 0, 62).sum()
    listed = figures.listed_classes(mean, 61)
    assert len(listed) == figures.MOST_CLASSES and listed[0] == 0 and listed[-1] == 61
    assert list(figures.listed_classes(mean[:10], 3)) == list(range(10))


def test_strip_has_a_cell_per_network_and_image_and_a_bar_to_click_per_image():
    predicted = np.array([[0, 0, 1], [2, 2, 2]])
    figure = figures.strip(
        predicted,
        np.array([0, 1]),
        CLASSES,
        np.array([40, 7]),
        ["a", "b"],
        averaged=np.array([0, 2]),
        current=7,
    )
    heat = next(t for t in figure.data if t.type == "heatmap")
    np.testing.assert_array_equal(heat.z, predicted.T)
    bar = next(t for t in figure.data if t.type == "bar")
    assert list(bar.customdata) == [40, 7]
    assert "2 predict class 0, 1 predict class 1" in bar.text[0]
    wrong = next(t for t in figure.data if t.name == "average is wrong")
    assert list(wrong.x) == [1] and list(wrong.customdata) == [7]
    assert figure.layout.shapes[0].x0 == 0.5 and "this image" in texts(figure)


def test_strip_of_more_classes_than_colours_shows_right_and_wrong():
    classes = [str(i) for i in range(12)]
    figure = figures.strip(
        np.array([[3, 4], [5, 5], [1, 1]]),
        np.array([3, 6, -1]),
        classes,
        np.arange(3),
        list("abc"),
        averaged=np.array([3, 5, 1]),
    )
    heat = next(t for t in figure.data if t.type == "heatmap")
    assert np.array(heat.z).T.tolist() == [[0, 1], [1, 1], [2, 2]]
    assert {"the label", "another class", "no label"} <= {t.name for t in figure.data}


def test_histogram_counts_every_network():
    accuracy = np.linspace(0.8, 0.9, 40)
    figure = averaging.network_accuracies(accuracy, 0.95, 100)
    assert sum(figure.data[0].y) == 40
    averaged = next(t for t in figure.data if t.name.startswith("the 40 averaged"))
    assert averaged.x[0] == 95 and averaged.line.color == style.BAYESIAN


def test_effect_ends_at_the_average_and_bands_stay_in_range():
    figure = averaging.effect_of_samples(sample_views.running(SAMPLES), CLASSES)
    top = int(SAMPLES.mean(0).argmax())
    line = next(t for t in figure.data if t.name == CLASSES[top])
    assert line.y[-1] == pytest.approx(SAMPLES.mean(0)[top])
    bands = [t for t in figure.data if t.fill == "toself"]
    assert len(bands) == 3 and all(min(t.y) >= 0 and max(t.y) <= 1 for t in bands)


def test_a_legend_below_has_short_names_and_makes_its_own_room():
    names = [name + "-" * 300 for name in CLASSES]
    figure = averaging.effect_of_samples(sample_views.running(SAMPLES), names)
    assert max(len(t.name) for t in figure.data if t.name) < 60
    legend = figure.layout.legend
    assert (legend.yref, legend.y, legend.yanchor) == ("container", 0, "bottom")


def test_effect_of_a_single_sample_is_a_point():
    figure = averaging.effect_of_samples(sample_views.running(SAMPLES[:1]), CLASSES)
    assert {t.mode for t in figure.data} == {"markers"}


def test_sample_size_shows_every_repeat_and_says_how_many():
    table = pd.DataFrame(
        {
            "num_samples": [1] * 4 + [1000],
            "repeat": [0, 1, 2, 3, 0],
            "accuracy": [0.97, 0.98, 0.98, 0.99, 0.995],
            "n_images": 2000,
            "pool": 1000,
        }
    )
    figure = averaging.sample_size(table)
    dots = [t for t in figure.data if t.type == "scatter"]
    assert sorted(y for t in dots for y in t.y) == [97, 98, 98, 99, 99.5]
    assert list(figure.layout.xaxis.ticktext) == ["1<br>4 repeats", "1,000<br>1 repeat"]
    assert len([t for t in figure.data if t.type == "box"]) == 1
