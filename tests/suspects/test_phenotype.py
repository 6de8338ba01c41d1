import numpy as np
import pandas as pd
import pytest

from bnn_core.suspects.phenotype import strength, treatment_strengths


def plates(
    rng: np.random.Generator, distance: dict[str, float], features: int = 60, wells: int = 6
) -> tuple[np.ndarray, pd.DataFrame]:
    """Two plates with a shift of their own, `wells` controls and one well per compound on each."""
    rows, values = [], []
    for plate in ("P1", "P2"):
        shift = rng.normal(0, 5, features)
        for compound, d in {**{f"control{i}": 0.0 for i in range(wells)}, **distance}.items():
            values.append(shift + rng.normal(size=features) + d)
            control = compound.startswith("control")
            rows.append(
                (
                    "DMSO" if control else compound,
                    0.0 if control else 1.0,
                    plate,
                    "control" if control else "scored",
                )
            )
    return np.array(values), pd.DataFrame(
        rows, columns=["compound", "concentration", "plate", "role"]
    )


def test_distance_from_the_controls_of_the_plate():
    values, rows = plates(np.random.default_rng(0), {"none": 0.0, "some": 1.0, "much": 5.0}, 200)
    got = strength(values, rows["plate"].to_numpy(), (rows["role"] == "control").to_numpy())
    by = rows.assign(got=got).groupby("compound")["got"].mean()
    # A treated well varies by 1 + 1/6 about the mean of six controls, a control by 1 + 1/5 about
    # that of the five others; one standard deviation off in every feature adds 1, five add 25.
    for name, squared in (("none", 0), ("some", 1), ("much", 25)):
        assert by[name] == pytest.approx(np.sqrt((squared + 7 / 6) / (6 / 5)), rel=0.08)


def test_few_controls_do_not_make_untreated_wells_look_treated():
    values, rows = plates(np.random.default_rng(1), {"none": 0.0}, features=1000, wells=3)
    got = strength(values, rows["plate"].to_numpy(), (rows["role"] == "control").to_numpy())
    # About the mean of three controls a well varies by 4/3, a control about two others by 3/2.
    assert got[rows["role"] == "scored"].mean() == pytest.approx(np.sqrt(8 / 9), rel=0.1)


def test_units_of_a_feature_do_not_matter_and_constant_ones_are_left_out():
    values, rows = plates(np.random.default_rng(2), {"some": 2.0}, features=5)
    scaled = np.column_stack([values * [1, 10, 1e-6, 1e6, 3], np.full(len(values), 7.0)])
    plate, control = rows["plate"].to_numpy(), (rows["role"] == "control").to_numpy()
    np.testing.assert_allclose(strength(scaled, plate, control), strength(values, plate, control))


def test_plates_without_two_controls_have_no_strength():
    values, rows = plates(np.random.default_rng(3), {"some": 2.0})
    second = np.flatnonzero(rows["plate"] == "P2")
    for controls in (0, 1):
        rows.loc[second[controls:], "role"] = "scored"
        got = strength(values, rows["plate"].to_numpy(), (rows["role"] == "control").to_numpy())
        assert np.isnan(got[second]).all() and np.isfinite(got[rows["plate"] == "P1"]).all()
        rows.loc[second[0], "role"] = "control"
    assert np.isfinite(got[rows["plate"] == "P1"]).all()
    assert np.isnan(strength(np.ones((4, 2)), np.array(["P"] * 4), np.ones(4, bool))).all()


def test_treatments_from_the_weakest():
    table = pd.DataFrame(
        {
            "compound": ["x", "x", "y", "y", "x", "DMSO"],
            "concentration": [1.0, 1, 1, 1, 9, 0],
            "role": ["scored"] * 5 + ["control"],
        }
    )
    got = treatment_strengths(table, np.array([3.0, 5, 1, 2, np.nan, 1]))
    assert got[
        ["compound", "concentration", "strength", "n", "strength_rank"]
    ].to_numpy().tolist() == [
        ["y", 1.0, 1.5, 2, 1],
        ["x", 1.0, 4.0, 2, 2],
    ]
