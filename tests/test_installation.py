"""What a report of a bug needs is there, also where packages are missing or broken."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from afanet.installation import describe_installation


class Broken:
    """An importer of a torch whose libraries do not fit."""

    def find_spec(self, name: str, *rest: object) -> None:
        if name == "torch":
            raise OSError("libcudart.so.13: cannot open shared object file")


def test_devices_and_their_precision_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": False})
    card = type("Card", (), {"name": "a card", "total_memory": 8 * 10**9})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    cpu, cuda = describe_installation()["devices"][:2]
    assert (cpu["name"], cpu["bf16"]) == ("cpu", False)
    assert cuda == {"name": "cuda:0", "model": "a card", "memory": 8 * 10**9, "bf16": False}


def test_a_driver_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no driver\nCUDA kernel errors might be reported elsewhere")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", fail)
    state = describe_installation()
    assert state["torch"]["error"] == "no driver"
    assert [device["name"] for device in state["devices"]] == ["cpu"]


def test_the_disk_of_a_cache_that_does_not_exist_yet_is_that_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "not" / "yet"))
    assert describe_installation()["disk"]["cache"] == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)


def test_a_torch_that_cannot_be_imported_is_told_with_all_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    state = json.loads(json.dumps(describe_installation()))
    assert state["torch"] == {"cuda": None, "error": "libcudart.so.13: cannot open shared object file"}
    assert [device["name"] for device in state["devices"]] == ["cpu"]
    assert state["versions"]["torch"]  # it is installed
    assert state["extras"]
