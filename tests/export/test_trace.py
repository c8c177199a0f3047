"""Graphs of any size where the network allows, and the name of the part that cannot be one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from afanet import Dense, Pooled, create_network
from afanet.errors import InputError
from afanet.export.trace import Estimator, trace
from afanet.tasks import Classification, Depth, Task

TASKS: dict[str, Task] = {"depth": Depth(), "age": Classification("age", ["young", "old"])}


class Net(nn.Module):
    """Something whose middle is given."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.middle = nn.Sequential(nn.ReLU(), middle)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.middle(self.first(image))
        return {"depth": features[:, :1], "age": features[:, :2].mean((2, 3))}


class Chooses(nn.Module):
    """Data-dependent control flow."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Flat(nn.Module):
    """A dense layer over all pixels, which ties the size."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.dense = nn.Linear(pixels, pixels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dense(x.flatten(2)).view_as(x)
        return y


def test_the_part_that_depends_on_values_is_named() -> None:
    line = Chooses.forward.__code__.co_firstlineno + 1
    with pytest.raises(
        InputError, match=r"its part 'middle\.1' \(Chooses\) cannot be written as one graph: .+"
    ) as caught:
        trace(Estimator(Net(Chooses()), TASKS), (16, 24))
    assert f"({__file__}, line {line}, `return x if x.sum() > 0 else -x`)" in str(caught.value)


def test_a_size_to_which_the_network_is_tied_stays() -> None:
    traced = trace(Estimator(Net(Flat(16 * 24)), TASKS), (16, 24))
    assert (traced.batch, traced.size) == (True, False)


class PoolsInto(nn.Module):
    """The largest of a fixed number of bins, added everywhere."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveMaxPool2d(bins)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.pool(x).mean((2, 3), keepdim=True)
        return y


@pytest.mark.parametrize(("bins", "free"), [(1, True), (2, False)])
def test_a_fixed_number_of_bins_never_leaves_pixels_out(bins: int, free: bool) -> None:
    estimator = Estimator(Net(PoolsInto(bins)), TASKS)
    traced = trace(estimator, (16, 24))
    assert traced.size == free
    images = torch.randn(2, 3, *((90, 70) if free else (16, 24)), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(traced.program.module()(images), estimator(images))


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize(("method", "size"), [("afa", (32, 32)), ("mtan", (32, 48))])  # equal sides are two sizes
def test_gates_and_attention_take_any_size(method: str, size: tuple[int, int]) -> None:
    outputs = {"depth": Dense(1), "age": Pooled(2)}
    network = create_network(method, outputs, "test_resnet", size=size, output_stride=16, head="linear")
    estimator = Estimator(network, TASKS).eval()
    traced = trace(estimator, size)
    assert (traced.batch, traced.size) == (True, True)
    for shape in ((1, 3, *size), (3, 3, 45, 37), (1, 3, 64, 97)):
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            expected, actual = estimator(images), traced.program.module()(images)
        for name in TASKS:
            torch.testing.assert_close(actual[name], expected[name], rtol=1e-4, atol=1e-5)
