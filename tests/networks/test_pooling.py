"""ReLU and pooling in one pass against torch's two."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from bnn_core.networks import pooling
from bnn_core.networks.pooling import relu_halve


@pytest.mark.parametrize("shape", [(3, 2, 28, 28), (1, 1, 2, 2), (2, 3, 10, 4), (2, 1, 5, 7)])
@pytest.mark.parametrize("numba", [True, False])
def test_value_and_gradient_are_torchs(shape, numba, monkeypatch):
    if not numba:
        monkeypatch.setattr(pooling, "find_spec", lambda name: None)
    torch.manual_seed(0)
    # Whole numbers: many windows have several largest values, and many none above 0.
    values = torch.randint(-2, 3, shape).float()
    ours, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
    y, expected = relu_halve(ours), F.relu(F.max_pool2d(theirs, 2))
    assert_close(y, expected, atol=0, rtol=0)
    assert_close(relu_halve(values), expected.detach(), atol=0, rtol=0)
    weights = torch.randn_like(y)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    assert_close(ours.grad, theirs.grad, atol=0, rtol=0)


def test_what_is_not_a_number_stays_so():
    x = torch.full((1, 1, 4, 4), float("nan"), requires_grad=True)
    assert relu_halve(x).isnan().all() and relu_halve(x.detach()).isnan().all()


def test_channels_last_and_slices():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    for given in (x, x[1:, :2]):
        leaf = given.detach().requires_grad_()
        assert_close(relu_halve(leaf).detach(), relu_halve(given))
