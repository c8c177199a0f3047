"""Images of a batch: two ways to zoom that agree, and colours as torchvision changes them."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from afanet.data.resident.images import by_products, coloured, one_by_one
from afanet.data.resident.steps import View
from afanet.framing import Box

AROUND = torch.tensor([124.0, 116.0, 104.0])[:, None, None]
CHANGES = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)


def view(window: Box, filled: Box, mirrored: bool = False) -> View:
    return View({"window": window, "filled": filled, "scale": 1.0}, mirrored, (), (0, 0))


def photos(count: int, height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, height, width, 3), generator=torch.Generator().manual_seed(1)).byte()


@pytest.mark.parametrize(("stored", "size"), [((40, 60), (10, 15)), ((20, 31), (20, 31)), ((9, 12), (18, 20))])
def test_products_of_matrices_are_within_a_level_of_the_kernel_for_bytes(
    stored: tuple[int, int], size: tuple[int, int]
) -> None:
    (height, width), whole = stored, Box(0, 0, *size)
    views = [
        view(Box(0, 0, height, width), whole),
        view(Box(2, 3, height - 5, width - 4), whole, mirrored=True),
        view(Box(1, 0, height // 2, width), Box(3, 0, size[0] - 6, size[1])),
        view(Box(0, 1, height, width - 3), Box(0, 2, size[0], size[1] - 5), mirrored=True),
    ]
    images, numbers = photos(5, height, width), [4, 0, 0, 2]
    ours, expected = (seen(images, numbers, views, size, AROUND) for seen in (by_products, one_by_one))
    assert (ours - expected).abs().max() <= 1
    assert (ours == expected).float().mean() > 0.98


def test_an_image_of_the_same_size_is_not_changed_at_all() -> None:
    images, whole = photos(2, 8, 10), Box(0, 0, 8, 10)
    for seen in (by_products, one_by_one):
        kept = seen(images, [1, 0], [view(whole, whole), view(whole, whole, mirrored=True)], (8, 10), AROUND)
        assert torch.equal(kept[0].byte(), images[1].permute(2, 0, 1))
        assert torch.equal(kept[1].byte(), images[0].permute(2, 0, 1).flip(2))


@pytest.mark.parametrize("channels", [1, 3])
def test_colours_change_as_torchvision_changes_bytes(channels: int) -> None:
    images = photos(8, 30, 40).permute(0, 3, 1, 2)[:, :channels].contiguous()
    orders = [*permutations(range(3)), (1,), ()]
    views = [
        View({}, False, tuple((n, 0.8 + 0.1 * n + 0.05 * i) for n in order), (0, 0)) for i, order in enumerate(orders)
    ]
    expected = []
    for image, seen in zip(images, views, strict=True):
        for number, factor in seen.colours:
            image = CHANGES[number](image, factor)
        expected.append(image)
    apart = (coloured(images.float(), views) - torch.stack(expected).float()).abs()
    assert apart.max() <= 1
    assert (apart > 0).float().mean() < 1e-3
