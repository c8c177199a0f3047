"""Devices that are there and others."""

from __future__ import annotations

import pytest
import torch

from afanet.distributed.device import find_device, find_precision
from afanet.errors import InputError


def test_auto_is_the_cpu_where_there_is_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert find_device("auto") == torch.device("cpu")


def test_auto_is_the_first_cuda_device_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("auto") == find_device("cuda") == torch.device("cuda:0")
    assert find_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize("name", ["cuda:7", "gpu", "", "cpu:0:0"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(InputError, match=f"device '{name}' does not exist here, expected one of: auto, cpu"):
        find_device(name)


def test_precision_is_kept_unless_it_is_left_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    for fast in (True, False):
        has = {"avx2": True, "avx512_bf16": True, "amx_bf16": fast}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has)
        assert find_precision("auto", cpu) == ("bf16" if fast else "float32")
        assert find_precision("bf16", cpu) == "bf16"
        assert find_precision("float32", cpu) == "float32"
