"""Learning rates over a training: torch's one-cycle, the paper's step, cycles, a constant end."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bnn_core.base.errors import InputError
from bnn_core.networks.saved import config_of
from bnn_core.networks.schedules import AVERAGED_RATE, schedule
from bnn_core.networks.settings import TrainConfig


@pytest.mark.parametrize("saved", [{"cycles": "3"}, {"swa": [0.1]}, {"epochs": True}])
def test_a_saved_setting_of_another_kind_is_refused(saved):
    with pytest.raises(InputError, match=next(iter(saved))):
        config_of(saved)
    assert config_of({"swa": 0, "epochs": 3}) == TrainConfig(epochs=3)


@pytest.mark.parametrize("total", [1, 3, 100])
def test_one_cycle_is_torchs(total):
    config = TrainConfig(epochs=1)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=total + 1)
    expected = []
    for _ in range(total):
        group = optimizer.param_groups[0]
        expected.append((group["lr"], group["betas"][0]))
        optimizer.step()
        cycle.step()
    np.testing.assert_allclose(schedule(config, 0, total, total)[:, :2], expected, rtol=1e-9)


def test_paper_schedule_divides_by_ten_after_its_epoch():
    config = TrainConfig(schedule="step", step_epoch=2, learning_rate=1e-3, epochs=4)
    rates = schedule(config, 0, 12, 12)[:, 0]
    np.testing.assert_allclose(rates, [1e-3] * 6 + [1e-4] * 6)
    np.testing.assert_allclose(schedule(config, 5, 7, 12)[:, 0], [1e-3, 1e-4])
    constant = replace(config, schedule="constant")
    assert (schedule(constant, 0, 12, 12) == [1e-3, 0.9, 1]).all()


def test_with_averaged_weights_the_rate_ends_above_zero_and_stays():
    config = TrainConfig(learning_rate=1.0, swa=0.4, epochs=1)
    rates, momenta, _ = schedule(config, 0, 1000, 1000).T
    assert rates[0] == 1 / 25
    assert rates.max() == pytest.approx(1, abs=1e-5) and 298 <= rates.argmax() <= 301
    assert rates[450] == pytest.approx((1 + AVERAGED_RATE) / 2, abs=0.01)
    np.testing.assert_allclose(rates[600:], AVERAGED_RATE)
    np.testing.assert_allclose(momenta[600:], 0.95 - 0.1 * AVERAGED_RATE, atol=1e-4)
    # An average over all steps leaves no room for a cycle.
    flat = schedule(replace(config, swa=1.0), 0, 1000, 1000)[:, 0]
    np.testing.assert_allclose(flat[1:], AVERAGED_RATE)


def test_the_cycles_of_a_sampler():
    config = TrainConfig(learning_rate=2.0, schedule="cyclical", cycles=3, epochs=3)
    rates = schedule(config, 0, 300, 300)[:, 0]
    assert (rates[[0, 100, 200]] == 2).all()
    assert rates[[99, 199, 299]] == pytest.approx(0, abs=1e-3)
    assert rates[[50, 150, 250]] == pytest.approx(1)


def test_the_weight_of_the_kl_rises_over_the_first_steps():
    shares = schedule(TrainConfig(kl_warmup=0.5), 0, 16, 16)[:, 2]
    assert shares[:8] == pytest.approx(np.arange(1, 9) / 8)
    assert set(shares[8:]) == {1.0}
