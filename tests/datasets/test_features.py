"""Tables of measured features: which columns count, what is left out, anchors, arrays."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from bnn_core.base.errors import InputError
from bnn_core.datasets.features import read_features


@pytest.fixture
def profiles():
    """24 wells of six compounds of two mechanisms on two plates, names as of pycytominer."""
    rng = np.random.default_rng(0)
    compounds = np.repeat([*"abcdef"], 4)
    table = pd.DataFrame(
        {
            "Metadata_Plate": np.tile(["P1", "P2"], 12),
            "Metadata_Well": [f"B{i // 2 + 1:02d}" for i in range(24)],
            "Metadata_compound": compounds,
            "Metadata_moa": np.where(compounds < "d", "one", "two"),
            "Metadata_Count": np.arange(24),
            "ImageNumber": np.arange(24) + 1,
            "Cells_Area": rng.normal(900, 50, 24),
            "Cells_Flat": 3.0,
            "Nuclei_Area": rng.normal(90, 5, 24),
            "Nuclei_Gaps": np.where(np.arange(24) < 8, np.nan, 1.5) * rng.normal(1, 1, 24),
            "Nuclei_Gap": np.where(np.arange(24) < 3, np.nan, 1.5) * rng.normal(1, 1, 24),
            "compound_number": pd.factorize(compounds)[0],
        }
    )
    return table


def written(table, folder, name="profiles.csv"):
    table.to_csv(folder / name, index=False)
    return folder / name


def test_features_are_numbers_that_are_no_metadata(profiles, tmp_path):
    found = read_features(written(profiles, tmp_path))
    assert found.names == ("Cells_Area", "Nuclei_Area", "Nuclei_Gap")
    assert found.values.dtype == np.float32
    assert_allclose(found.values, profiles[list(found.names)].to_numpy(np.float32))
    assert found.table["image_id"].tolist()[:2] == ["P1/B01", "P2/B01"]
    assert found.table["group"].tolist() == profiles["Metadata_compound"].tolist()
    assert found.classes == ["one", "two"]
    for column in ("Cells_Flat", "Nuclei_Gaps", "compound_number"):
        assert column in found.note


def test_a_number_for_each_label_is_no_feature(profiles, tmp_path):
    label = profiles["Metadata_moa"]
    coded = profiles.assign(code=label.map({"one": 0.25, "two": 1.5}), area=label.map(len) + 0.5)
    coded.loc[0, "area"] += 0.25
    names = read_features(written(coded, tmp_path)).names
    assert "code" not in names and "area" in names


def test_features_are_chosen_by_patterns(profiles, tmp_path):
    path = written(profiles, tmp_path)
    assert read_features(path, features=["nuclei_*"]).names == ("Nuclei_Area", "Nuclei_Gap")
    with pytest.raises(InputError, match=r"--features Golgi_\*"):
        read_features(path, features=["Golgi_*"])
    with pytest.raises(InputError, match="'Metadata_Plate' holds no numbers"):
        read_features(path, features=["*"])
    with pytest.raises(InputError, match="at least 2 features"):
        read_features(path, features=["Cells_*"])


def test_an_array_with_its_metadata(profiles, tmp_path):
    metadata = written(profiles[[c for c in profiles if c.startswith("Metadata")]], tmp_path)
    values = np.random.default_rng(1).normal(size=(24, 5))
    np.save(tmp_path / "e.npy", values)
    found = read_features(tmp_path / "e.npy", metadata=metadata)
    assert_allclose(found.values, values.astype(np.float32))
    assert len(found.names) == 5 and found.classes == ["one", "two"]
    # A study uses the columns of its training, whichever vary now; another array is refused.
    values[:, 1] = 3
    np.save(tmp_path / "e.npy", values)
    trained = read_features(tmp_path / "e.npy", metadata=metadata)
    assert trained.names == tuple(f"feature {i} of 5" for i in (1, 3, 4, 5))
    values[:, 2] = 7
    np.save(tmp_path / "new.npy", values)
    new = read_features(tmp_path / "new.npy", metadata=metadata, only=trained.names)
    assert_allclose(new.values, values[:, [0, 2, 3, 4]].astype(np.float32))
    np.save(tmp_path / "wide.npy", np.hstack([values, values]))
    with pytest.raises(InputError, match=r"wide\.npy has 10 columns.*of 5"):
        read_features(tmp_path / "wide.npy", metadata=metadata, only=trained.names)
    np.save(tmp_path / "short.npy", values[:-1])
    with pytest.raises(InputError, match=r"short\.npy has 23 rows.*24"):
        read_features(tmp_path / "short.npy", metadata=metadata)
    with pytest.raises(InputError, match="--metadata FILE"):
        read_features(tmp_path / "e.npy")
    with pytest.raises(InputError, match="has columns of metadata"):
        read_features(metadata, metadata=metadata)


def test_anchored_features_are_distances_from_the_plates_controls(profiles, tmp_path):
    profiles.loc[profiles["Metadata_compound"] == "a", "Metadata_compound"] = "DMSO"
    controls = profiles["Metadata_compound"] == "DMSO"
    profiles = pd.concat([profiles, profiles[controls].assign(Metadata_Well=[*"abcd"])])
    path = written(profiles, tmp_path)
    features = ["Cells_Area", "Nuclei_Area"]
    found = read_features(path, features=features, control="DMSO", anchor="controls")
    values = profiles[features].to_numpy(copy=True)
    plate = profiles["Metadata_Plate"].to_numpy()
    control = (profiles["Metadata_compound"] == "DMSO").to_numpy()
    for name in ("P1", "P2"):
        mine = plate == name
        values[mine] -= np.median(values[mine & control], axis=0)
    spread = 1.4826 * np.median(np.abs(values[control]), axis=0)
    assert_allclose(found.values, values / spread, rtol=1e-3, atol=1e-4)
    # New plates keep the study's unit: three wells of one plate do not give a spread.
    one = profiles[(plate == "P1") & (~control | (np.cumsum(control & (plate == "P1")) <= 3))]
    new = read_features(
        written(one, tmp_path, "one.csv"),
        control="DMSO",
        anchor="controls",
        only=found.names,
        spread=found.spread,
    )
    middle = np.median(one.loc[one["Metadata_compound"] == "DMSO", features], axis=0)
    expected = (one[features].to_numpy() - middle) / spread
    assert_allclose(new.values, expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(InputError, match="--control NAME"):
        read_features(path, anchor="controls")
    few = written(profiles[~(control & (plate == "P2"))], tmp_path, "few.csv")
    with pytest.raises(InputError, match="P2 has fewer"):
        read_features(few, control="DMSO", anchor="controls")


def test_class_probabilities_are_no_features(profiles, tmp_path):
    p = np.random.default_rng(0).random(24).astype(np.float32)
    table = profiles.assign(p_one=p, p_two=1 - p)
    with pytest.raises(InputError, match="class probabilities"):
        read_features(written(table, tmp_path), features=["p_*"])
