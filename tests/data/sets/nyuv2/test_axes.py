from __future__ import annotations

import pytest
import torch

from afanet.data.sets.nyuv2.axes import TURNS, turn_between


def test_there_are_48_turns_and_each_keeps_lengths():
    assert len({tuple(turn.flatten().tolist()) for turn in TURNS}) == 48
    for turn in TURNS:
        assert torch.equal(turn @ turn.T, torch.eye(3))


def test_every_turn_is_found_again_through_noise_and_holes():
    generator = torch.Generator().manual_seed(0)
    ours = torch.nn.functional.normalize(torch.randn(3, 8, 9, generator=generator), dim=0)
    for turn in TURNS:
        given = torch.einsum("ji,jhw->ihw", turn, ours) + 0.3 * torch.randn(3, 8, 9, generator=generator)
        given[:, :2], holed = 0, ours.clone()
        holed[:, :, :2] = 0
        inferred, agreement = turn_between([(given, holed), (given, holed)])
        assert torch.equal(inferred, turn)
        assert agreement == pytest.approx(1, abs=0.15)


def test_axes_that_scenes_say_nothing_about_stay():
    wall = torch.tensor([0.0, 0, 1])[:, None, None].expand(3, 4, 4)
    turn, agreement = turn_between([(-wall, wall)])
    assert turn.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, -1]]
    assert agreement == 1
    assert turn_between([]) == (TURNS[0], 0)
