"""Images are padded to a size that the backbone takes, and what was padded is cut off again."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from afanet import Dense, InputError, Pooled, create_network
from afanet.networks.backbones import Padding
from afanet.networks.backbones.padding import cut


def test_zeros_follow_right_and_below() -> None:
    image = torch.rand(2, 3, 30, 48)
    padded = Padding("vit", multiple=16)(image)
    assert padded.shape == (2, 3, 32, 48)
    assert torch.equal(cut(padded, (30, 48)), image)
    assert padded[:, :, 30:].eq(0).all()


def test_a_multiple_is_left_as_it_is() -> None:
    image = torch.rand(1, 3, 32, 48)
    assert torch.equal(Padding("vit", multiple=16)(image), image)


def test_one_size_takes_smaller_images_alone() -> None:
    padding = Padding("beit", 1, (64, 96))
    assert padding(torch.rand(1, 3, 50, 96)).shape == (1, 3, 64, 96)
    with pytest.raises(InputError, match=r"'beit' takes images of 64x96 only .*, but these have 64x97: use smaller"):
        padding(torch.rand(1, 3, 64, 97))


@pytest.mark.parametrize("method", ["single", "hard", "mtan"])
def test_outputs_are_those_of_the_padded_image_cut_to_the_image(method: str) -> None:
    torch.manual_seed(0)
    network = create_network(method, {"depth": Dense(1), "scene": Pooled(4)}, "test_vit", size=(50, 75)).eval()
    image = torch.rand(1, 3, 50, 75)
    with torch.no_grad():
        outputs, whole = network(image), network(F.pad(image, (0, 5, 0, 14)))
    assert outputs["depth"].shape == (1, 1, 50, 75)
    assert torch.equal(outputs["depth"], whole["depth"][..., :50, :75])
    assert torch.equal(outputs["scene"], whole["scene"])
