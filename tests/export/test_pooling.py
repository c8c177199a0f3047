"""Adaptive pooling, spelled out, gives what torch's own gives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.export import PoolingSpelledOut
from afanet.export.pooling import adaptive_max, adaptive_mean

sizes = st.integers(1, 9)


@given(sizes, sizes, sizes, sizes)
@settings(max_examples=40, deadline=None)
def test_means_and_maxima_are_torchs(height: int, width: int, rows: int, columns: int) -> None:
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height * 10 + width))
    torch.testing.assert_close(adaptive_mean(x, (rows, columns)), F.adaptive_avg_pool2d(x, (rows, columns)))
    assert torch.equal(adaptive_max(x, (rows, columns)), F.adaptive_max_pool2d(x, (rows, columns)))


def test_modules_and_functions_are_spelled_out() -> None:
    seen: list[str] = []

    class Record(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), named=None):  # type: ignore[no-untyped-def]
            seen.append(function.__name__)
            return function(*arguments, **named or {})

    x = torch.rand(1, 2, 5, 7)
    with Record(), PoolingSpelledOut():
        mean = torch.nn.AdaptiveAvgPool2d((2, 3))(x)
        largest = torch.nn.AdaptiveMaxPool2d((None, 3))(x)
    assert torch.allclose(mean, F.adaptive_avg_pool2d(x, (2, 3)))
    assert torch.equal(largest, F.adaptive_max_pool2d(x, (5, 3)))
    assert not [name for name in seen if "pool" in name]
