import pandas as pd
import pytest

import bnn_core as bnn
from bnn_core.base.keywords import with_keywords


@pytest.mark.parametrize(
    "message, seen",
    [
        ("--method magic: unknown", "method=magic: unknown"),
        ("--num-samples 0 is too small", "num_samples=0 is too small"),
        ("--preset fast is unknown; choose one", "preset=fast is unknown; choose one"),
        ("--label names the column", "label= names the column"),
        ("give --leave-out or --map", "give leave_out= or columns="),
        ("see 'bnn study features --label moa'", "see 'bnn study features --label moa'"),
        ("/data/--weeks is missing; a--b", "/data/--weeks is missing; a--b"),
    ],
)
def test_flags_become_keywords(message, seen):
    assert with_keywords(message) == seen


def test_errors_at_the_door_name_keywords(tmp_path):
    table = pd.DataFrame({"p_a": [0.4, 0.6], "p_b": [0.6, 0.4], "label": ["a", "b"]})
    with pytest.raises(bnn.InputError, match=r"^method=magic") as caught:
        bnn.import_predictions(table, tmp_path / "s", method="magic")
    assert "--" not in str(caught.value)
    assert bnn.import_predictions is bnn.import_predictions
