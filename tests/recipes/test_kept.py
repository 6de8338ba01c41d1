"""Tables of whole studies that pages share."""

from page_studies import write_animals, write_compounds

from bnn_core.measures.levels import scored_rows
from bnn_core.recipes import kept
from bnn_core.study.folder import open_study


def test_kept_samples_show_what_more_networks_gain(tmp_path):
    study = open_study(write_animals(tmp_path))
    table, made = study.table("vi"), kept.measured_sample_size(study)
    scored = table[scored_rows(table)]
    samples = study.samples("vi")[scored.index].astype("float32")
    right = samples.mean(axis=1).argmax(axis=1) == [study.classes.index(c) for c in scored["label"]]
    whole = made[made["num_samples"] == samples.shape[1]].iloc[0]
    assert whole["accuracy"] == right.mean() and whole["n_images"] == len(scored)
    assert (made.groupby("num_samples").size().iloc[:-1] == 100).all()
    assert kept.measured_sample_size(open_study(write_compounds(tmp_path))) is None
