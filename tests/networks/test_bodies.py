"""Bodies: the paper's sizes, and one function for both kinds of layer."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from bnn_core.base.errors import InputError
from bnn_core.networks.bodies import build_network


def lenet(bayesian, **changes):
    settings = dict(in_channels=1, num_classes=10, image_size=(28, 28)) | changes
    return build_network("lenet5", bayesian=bayesian, **settings)


def test_lenet_has_the_papers_numbers_of_parameters():
    count = [sum(p.numel() for p in lenet(bayesian).parameters()) for bayesian in (False, True)]
    assert count == [61_706, 123_412]


def test_lenet_is_the_textbook_function():
    torch.manual_seed(0)
    network = lenet(False)
    x = torch.rand(2, 1, 28, 28)
    h = F.max_pool2d(F.relu(F.conv2d(x, *network.conv1.parameters(), padding=2)), 2)
    h = F.max_pool2d(F.relu(F.conv2d(h, *network.conv2.parameters())), 2)
    h = F.relu(F.conv2d(h, *network.conv3.parameters())).flatten(1)
    h = F.relu(F.linear(h, *network.linear.parameters()))
    assert_close(network(x), F.linear(h, *network.head.parameters()))
    assert_close(network.features(x), h)


def test_wrong_image_size_is_one_clear_line():
    with pytest.raises(InputError, match=r"32x30 pixels.*lenet5 takes 28x28"):
        lenet(True, image_size=(32, 30))
    with pytest.raises(InputError, match="--network nonsense is unknown"):
        build_network("nonsense", in_channels=1, num_classes=2, image_size=(8, 8), bayesian=True)
