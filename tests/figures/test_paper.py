"""The figures of the paper for one study: all six, or the reason why one is missing."""

import pytest
from page_studies import write_animals, write_compounds, write_screen

from bnn_core.commands import cli
from bnn_core.figures.paper import paper_figures
from bnn_core.measures.levels import scored_rows
from bnn_core.study.folder import open_study

NUMBERS = ["1A, 1B", "1C", "2A, 4A", "2B, 4B", "2C", "3A", "3B", "4C, 5A", "5B", "6"]


@pytest.mark.parametrize("write", [write_animals, write_compounds, write_screen])
def test_every_figure_is_drawn_or_says_what_it_lacks(tmp_path, write):
    study = open_study(write(tmp_path))
    figures = paper_figures(study)
    assert [figure.number for figure in figures] == NUMBERS
    for figure in figures:
        assert bool(figure.lacks) != bool(figure.plots or figure.pictures), figure.number
        assert figure.lacks or figure.caption
    drawn = {figure.number: figure for figure in figures}
    n = int(scored_rows(study.table(study.reading_method)).sum())
    assert f"n = {n:,} scored images" in drawn["2A, 4A"].caption
    bars = [trace for trace in drawn["2A, 4A"].plots[0].data if trace.name == "right"]
    assert sum(bars[0].y[bars[0].y > 0]) == n
    assert min(bars[0].x) >= 0  # the published c, not the signed one


def test_the_planted_compound_is_the_first_suspect(tmp_path):
    study = open_study(write_screen(tmp_path))
    figures = {figure.number: figure for figure in paper_figures(study)}
    assert figures["5B"].caption.startswith("D2, labelled D, most similar to A")
    # Both compounds of its label.
    assert len(figures["4C, 5A"].plots) == 2 and not figures["4C, 5A"].lacks


def test_the_command_writes_one_file_that_fetches_nothing(tmp_path):
    folder, out = write_animals(tmp_path), tmp_path / "figures.html"
    assert cli.main(["report", str(folder), "--paper", "--out", str(out)]) == 0
    html = out.read_text()
    assert html.count("<figure>") == len(NUMBERS) and 'src="http' not in html
