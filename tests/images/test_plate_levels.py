"""Plates that differ as a whole: a planted dark and a planted blurred plate, and no other."""

import numpy as np
import pandas as pd
import pytest

from bnn_core.images.plate_levels import FEWEST_PLATES, unusual_plates


def screen(plates=8, focus=0.0, dark=1.0):
    """30 images on each plate; the last has another focus, and its actin is darker."""
    rng = np.random.default_rng(0)
    names = np.repeat([f"P{k}" for k in range(plates)], 30)
    last = names == f"P{plates - 1}"
    images = pd.DataFrame(
        {
            "plate": names,
            "role": "scored",
            "quality_focus": rng.normal(-2, 0.1, len(names)) + focus * last,
            "quality_foreground": rng.normal(0.3, 0.05, len(names)),
        }
    )
    contrast = pd.DataFrame(
        [(f"P{k}", c, 400.0 + 10 * k) for k in range(plates) for c in ("DNA", "actin")],
        columns=["plate", "channel", "threshold"],
    )
    of_last = (contrast["plate"] == f"P{plates - 1}") & (contrast["channel"] == "actin")
    contrast.loc[of_last, "threshold"] *= dark
    return images, contrast


def test_plates_that_are_alike_are_not_listed():
    assert unusual_plates(*screen()) == []


def test_a_dark_and_blurred_plate_is_found_with_its_factors():
    (found,) = unusual_plates(*screen(focus=-0.7, dark=0.4))
    assert found.plate == "P7" and set(found.differences) == {
        "brightness of actin",
        "quality_focus",
    }
    assert found.differences["brightness of actin"] == pytest.approx(
        np.log2(0.4 * 470) - np.log2([420, 430]).mean()
    )
    assert "2.3 times darker in actin" in found.sentence()
    assert found.differences["quality_focus"] == pytest.approx(-0.7, abs=0.1)
    assert "times less fine detail" in found.sentence()


def test_few_plates_or_no_measurement_say_nothing():
    images, contrast = screen(FEWEST_PLATES - 1, focus=-0.7, dark=0.4)
    assert unusual_plates(images, contrast) == []
    assert unusual_plates(screen(focus=-2)[0][["role"]], None) == []


def test_images_that_were_added_later_do_not_count():
    images, contrast = screen()
    images.loc[images["plate"] == "P7", ["role", "quality_focus"]] = ["new", 5.0]
    assert unusual_plates(images, contrast) == []
