from hypothesis import given
from hypothesis import strategies as st

from bnn_core.base.wording import percent, short


@given(st.text(), st.integers(4, 60))
def test_a_shortened_name_has_its_start_its_end_and_at_most_so_many_letters(name, most):
    shown = short(name, most)
    assert len(shown) == min(len(name), most)
    end = (most - 1) // 3
    start = most - 1 - end
    if len(name) > most:
        assert shown[start] == "…"
        assert name.startswith(shown[:start]) and name.endswith(shown[start + 1 :])
    else:
        assert shown == name


def test_a_share_only_rounds_to_nothing_or_all_where_it_is_that():
    assert [percent(x) for x in (0, 0.004, 0.714, 0.996, 1)] == [
        "0 %",
        "<1 %",
        "71 %",
        ">99 %",
        "100 %",
    ]
    assert [percent(x, 1) for x in (0.0004, 0.714, 0.9996)] == ["<0.1 %", "71.4 %", ">99.9 %"]
