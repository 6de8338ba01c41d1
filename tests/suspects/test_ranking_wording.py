"""Rankings in words."""

import pandas as pd
import pytest

from bnn_core.suspects.ranking_wording import doubt_sentence


@pytest.mark.parametrize(
    ("scores", "lows", "numbers"),
    [
        ([0.5, 0.2, 0.0, -0.3], [0.1, -0.2, -0.4, -0.9], ["2 of 4", "1 of them"]),
        ([0.5, 0.2, -0.1], [0.1, 0.01, -0.4], ["2 of 3"]),
        ([0.5, 0.2, -0.1], [-0.1, float("nan"), -0.4], ["2 of 3", "none of them"]),
        ([-0.1, -0.2], [-0.3, -0.4], ["0 of 2"]),
    ],
)
def test_the_sentence_of_doubt_separates_clear_suspects(scores, lows, numbers):
    """Above 0 counts; of these, an interval above 0 is clear; one unit has no interval."""
    ranked = pd.DataFrame({"score": scores, "low": lows})
    text = doubt_sentence(ranked, "compound", bold="**")
    assert text.startswith(f"**{numbers[0]} compounds**")
    assert all(number in text for number in numbers)
    assert ("of them" in text) == (len(numbers) > 1)
