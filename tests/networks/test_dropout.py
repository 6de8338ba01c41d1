"""MC dropout: rate 0 is the standard network, a drawn network is a masked one."""

import pytest
import torch
from torch.func import functional_call
from torch.testing import assert_close

from bnn_core.networks.building import new_network
from bnn_core.networks.dropout import add_dropout, dropped_layers
from bnn_core.networks.methods.dropout import draw_masked
from bnn_core.networks.prediction import predictive_samples
from bnn_core.networks.settings import TrainConfig

LENET = TrainConfig(bayesian=False)
CELLS = TrainConfig(bayesian=False, network="mscnn", pathways=2, head_width=8)


@pytest.fixture(params=[(LENET, (1, 28, 28)), (CELLS, (3, 16, 16))], ids=["lenet5", "mscnn"])
def case(request):
    config, shape = request.param
    torch.manual_seed(0)
    return new_network(config, 3, shape).eval(), torch.rand(5, *shape)


def test_rate_0_is_the_network_itself(case):
    network, x = case
    samples = predictive_samples(draw_masked(network, 0.0, 3, seed=0), x)
    with torch.no_grad():
        assert_close(samples, network(x).softmax(1).expand(3, 5, 3))
        add_dropout(network, 0.0)
        assert_close(network.train()(x), network(x), atol=0, rtol=0)


def test_a_drawn_network_is_the_network_with_its_outputs_masked(case):
    network, x = case
    drawn = draw_masked(network, 0.4, 4, seed=2)
    for weights in drawn:
        hooks = []
        for name, layer in dropped_layers(network).items():
            # A unit whose bias is gone is gone; what stays is enlarged.
            mask = (weights[f"{name}.bias"] / layer.bias.detach()).round(decimals=4)
            assert_close(
                mask[mask != 0], torch.full_like(mask[mask != 0], 1 / 0.6), atol=1e-3, rtol=0
            )

            def masked(layer, inputs, output, mask=mask):
                return output * mask.reshape(1, -1, *[1] * (output.dim() - 2))

            hooks.append((layer, masked))
        with torch.no_grad():
            plain = functional_call(network, weights, (x,))
            handles = [layer.register_forward_hook(hook) for layer, hook in hooks]
            assert_close(plain, network(x), atol=1e-3, rtol=1e-3)
            for handle in handles:
                handle.remove()


def test_masks_come_as_often_as_the_rate_says_and_by_seed(case):
    network, _ = case
    many = draw_masked(network, 0.25, 400, seed=0)
    name = next(iter(dropped_layers(network)))
    gone = (many.weights[f"{name}.bias"] == 0).double().mean()
    assert gone.item() == pytest.approx(0.25, abs=0.04)
    again = draw_masked(network, 0.25, 7, seed=0)
    assert torch.equal(again.weights[f"{name}.weight"], many.weights[f"{name}.weight"][:7])


def test_training_drops_and_evaluation_does_not():
    network = new_network(TrainConfig(bayesian=False, dropout=0.5), 3, (1, 28, 28))
    plain = new_network(LENET, 3, (1, 28, 28))
    x = torch.rand(4, 1, 28, 28)
    assert network.state_dict().keys() == plain.state_dict().keys()
    assert_close(network.eval()(x), plain.eval()(x), atol=0, rtol=0)
    assert not torch.equal(network.train()(x), network(x))


@pytest.mark.parametrize("network", ["lenet5", "mscnn"])
def test_training_drops_whole_maps_and_enlarges_what_stays(network):
    body = new_network(TrainConfig(bayesian=False, network=network), 3, (1, 28, 28))
    layer = next(layer for layer in dropped_layers(body).values() if layer.weight.dim() == 4)
    x = torch.rand(50, layer.in_channels, 28, 28)
    with torch.no_grad():
        plain = layer(x)
        add_dropout(body, 0.25)
        ratio = (body.train() and layer(x)) / plain
    kept = ratio[:, :, :1, :1]
    assert_close(ratio, kept.expand_as(ratio), rtol=1e-4, atol=1e-4)
    share = (kept > 0).float().mean()
    assert 0.65 < share < 0.85
    assert_close(kept[kept > 0], torch.full_like(kept[kept > 0], 1 / 0.75), rtol=1e-4, atol=1e-4)
