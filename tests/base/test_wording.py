from hypothesis import given
from hypothesis import strategies as st

from bnn_core.base.wording import short


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
