"""What is compared, and when a file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.export.check import largest_errors, random_inputs, require_same


def same(images: Tensor) -> dict[str, Tensor]:
    return {"depth": images, "age": images.mean((2, 3))}


def test_the_worst_input_counts_against_the_largest_value() -> None:
    def off(images: Tensor) -> dict[str, Tensor]:
        moved = images.clone()
        moved[0, 0, 0, 0] += 0.25 * len(images)
        return same(images) | {"depth": moved}

    inputs = [torch.ones(1, 3, 2, 2), torch.full((2, 3, 2, 2), -4.0)]
    assert largest_errors(off, same, inputs) == {"depth": 0.25, "age": 0.0}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_in_one_alone_is_off_without_limit(value: float) -> None:
    def broken(images: Tensor) -> dict[str, Tensor]:
        return same(images) | {"age": torch.full((len(images), 3), value)}

    errors = largest_errors(broken, same, [torch.ones(1, 3, 2, 2)])
    with pytest.raises(InputError, match="task 'age' differs from the run by inf"):
        require_same(errors, Path("model.onnx"))


def test_the_limit_is_a_ten_thousandth() -> None:
    require_same({"a": 1e-4, "b": 0.0}, Path("model.onnx"))
    with pytest.raises(InputError, match=r"model.onnx was not written: task 'b' differs from the run by 2.0e-04"):
        require_same({"a": 0.0, "b": 2e-4}, Path("model.onnx"))


def test_a_file_that_does_not_run_is_said_with_the_shape() -> None:
    def fails(images: Tensor) -> dict[str, Tensor]:
        raise RuntimeError("no\nmore")

    with pytest.raises(InputError, match=r"shape \(1, 3, 2, 2\) and was not written: no$"):
        largest_errors(fails, same, [torch.ones(1, 3, 2, 2)])


def test_inputs_vary_where_the_graph_may() -> None:
    def shapes(**dynamic: bool) -> set[tuple[int, ...]]:
        return {tuple(images.shape) for images in random_inputs((32, 48), **dynamic)}

    assert shapes(batch=False, other_sizes=False) == {(1, 3, 32, 48)}
    assert {shape[0] for shape in shapes(batch=True, other_sizes=False)} == {1, 2, 3}
    assert len({shape[2:] for shape in shapes(batch=True, other_sizes=True)}) == 3
