"""What is compared, and when a file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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


NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(max_examples=200, deadline=None)
@given(pairs=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4))
def test_no_error_is_small_unless_all_numbers_are_finite_and_alike(pairs: list[tuple[float, float]]) -> None:
    file, run = (torch.tensor(one, dtype=torch.float32) for one in zip(*pairs, strict=True))
    try:
        errors = largest_errors(lambda _: {"depth": file}, lambda _: {"depth": run}, [torch.ones(1)])
        require_same(errors, Path("model.onnx"))
    except InputError:
        return
    off, largest = (file.double() - run.double()).abs().max(), run.double().abs().max()
    assert off <= 1e-4 * largest * (1 + 1e-9)  # never of a number that is not finite
    assert errors["depth"] == pytest.approx((off / largest).item() if off else 0.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_run_whose_outputs_are_not_finite_is_refused(value: float) -> None:
    def broken(images: Tensor) -> dict[str, Tensor]:
        return same(images) | {"age": torch.full((len(images), 3), value)}

    with pytest.raises(InputError, match="task 'age' of the run has outputs that are not finite"):
        largest_errors(broken, broken, [torch.ones(1, 3, 2, 2)])


@pytest.mark.parametrize("outputs", [{"depth"}, {"depth", "age", "more"}, set()])
def test_other_outputs_than_the_runs_are_said(outputs: set[str]) -> None:
    def other(images: Tensor) -> dict[str, Tensor]:
        return {name: same(images).get(name, images) for name in sorted(outputs)}

    with pytest.raises(InputError, match=r"the export gives .*, expected age, depth: it was not written"):
        largest_errors(other, same, [torch.ones(1, 3, 2, 2)])


def test_against_zeros_anything_else_is_off_without_limit() -> None:
    def zeros(images: Tensor) -> dict[str, Tensor]:
        return {"depth": torch.zeros_like(images)}

    assert largest_errors(zeros, zeros, [torch.ones(1, 3, 2, 2)]) == {"depth": 0.0}
    errors = largest_errors(lambda images: {"depth": zeros(images)["depth"] + 1e-6}, zeros, [torch.ones(1, 3, 2, 2)])
    with pytest.raises(InputError, match="task 'depth' differs from the run by inf"):
        require_same(errors, Path("model.onnx"))


@pytest.mark.parametrize("shape", [(0, 3, 2, 2), (1, 3, 0, 2)])
def test_outputs_without_a_number_are_compared_with_nothing(shape: tuple[int, ...]) -> None:
    def empty(images: Tensor) -> dict[str, Tensor]:
        return {"depth": torch.empty(shape)}

    with pytest.raises(InputError, match="task 'depth' differs from the run by inf"):
        require_same(largest_errors(empty, empty, [torch.ones(1, 3, 2, 2)]), Path("model.onnx"))


def test_without_an_input_nothing_is_the_same() -> None:
    with pytest.raises(InputError, match="nothing in it was compared with the run"):
        require_same(largest_errors(same, same, []), Path("model.onnx"))


@pytest.mark.parametrize("errors", [{"a": float("nan"), "b": 0.0}, {"b": 0.0, "a": float("nan")}])
def test_an_error_that_is_no_number_is_none_that_is_small(errors: dict[str, float]) -> None:
    with pytest.raises(InputError, match="task 'a' differs from the run by nan"):
        require_same(errors, Path("model.onnx"))
