"""Augmentations move pixels; they never make or lose any."""

import torch
from torch.testing import assert_close

from bnn_core.networks.augmentation import (
    GAIN,
    GAMMA,
    augment,
    dihedral,
    gain_and_gamma,
    random_crop,
    shift,
    symmetry,
)
from bnn_core.networks.settings import TrainConfig


def test_none_is_the_identity():
    x = torch.rand(2, 3, 5, 5)
    assert augment(x, "none") is x


def test_dihedral_draws_all_eight_symmetries_per_image():
    torch.manual_seed(0)
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    expected = {
        tuple(torch.rot90(v, k, (2, 3)).flatten().tolist())
        for v in (x, x.flip(2))
        for k in range(4)
    }
    drawn = {tuple(image.flatten().tolist()) for image in dihedral(x.expand(300, 1, 3, 3))}
    assert drawn == expected


def test_the_numbered_symmetries_are_all_eight():
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    turned = {
        tuple(torch.rot90(v, k, (2, 3)).flatten().tolist())
        for v in (x, x.flip(2))
        for k in range(4)
    }
    assert {tuple(symmetry(x, k).flatten().tolist()) for k in range(8)} == turned
    wide = torch.arange(6.0).reshape(1, 1, 2, 3)
    shown = [tuple(symmetry(wide, k).flatten().tolist()) for k in range(8)]
    assert shown[:4] == shown[4:] and len(set(shown)) == 4


def test_images_that_are_not_square_are_not_turned():
    torch.manual_seed(0)
    x = torch.arange(6.0).reshape(1, 1, 2, 3).expand(100, 1, 2, 3)
    changed = dihedral(x)
    assert changed.shape == x.shape
    assert len({tuple(i.flatten().tolist()) for i in changed}) == 4


def test_shift_moves_each_image_by_a_separate_step_and_fills_with_zeros():
    torch.manual_seed(0)
    x = torch.zeros(200, 1, 7, 7)
    x[:, :, 3, 3] = 1.0
    moved = shift(x, 2)
    assert_close(moved.sum(dim=(1, 2, 3)), torch.ones(200))
    places = {tuple(torch.nonzero(i[0])[0].tolist()) for i in moved}
    assert places == {(r, c) for r in range(1, 6) for c in range(1, 6)}


def test_crops_are_windows_of_the_same_image():
    torch.manual_seed(0)
    x = torch.rand(40, 2, 6, 8)
    crops = random_crop(x, 4)
    assert crops.shape == (40, 2, 4, 4)
    for image, crop in zip(x, crops, strict=True):
        assert any(
            torch.equal(image[:, r : r + 4, c : c + 4], crop) for r in range(3) for c in range(5)
        )
    assert random_crop(x, 0) is x
    assert random_crop(x, 7) is x


def test_each_channel_gets_a_gain_and_a_gamma_within_their_limits():
    torch.manual_seed(0)
    values = torch.tensor([20, 60, 120], dtype=torch.uint8)
    changed = gain_and_gamma(values.reshape(1, 1, 1, 3).expand(500, 2, 1, 3)) / 255
    logs = changed.log().reshape(-1, 3)
    steps = (values / 255).log()
    gamma = (logs[:, 1] - logs[:, 0]) / (steps[1] - steps[0])
    gain = (logs[:, 0] - gamma * steps[0]).exp()
    # The third value is on the curve through the first two: nothing else was changed.
    clear = logs[:, 2] < 0
    assert_close(logs[clear, 2], (gain.log() + gamma * steps[2])[clear], atol=1e-4, rtol=0)
    for drawn, most in ((gain, GAIN), (gamma, GAMMA)):
        assert most**-1.001 <= drawn.min() < most**-0.95
        assert most**0.95 < drawn.max() <= most**1.001
    assert len(set(gamma.round(decimals=5).tolist())) > 900


def test_gain_and_gamma_clip_at_white_and_keeps_black():
    torch.manual_seed(0)
    x = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 2).expand(200, 1, 1, 2)
    changed = augment(x, "dihedral-gamma")
    assert changed.shape == x.shape and changed.max() == 255
    assert (changed.amin(dim=(1, 2, 3)) == 0).all()


def test_the_old_name_of_a_random_gain_and_gamma_still_counts():
    assert TrainConfig(network="mscnn", augmentation="dihedral-stain") == TrainConfig(
        network="mscnn", augmentation="dihedral-gamma"
    )
