"""`afanet doctor` as a person uses it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from afanet import __version__
from afanet.cli.main import main

STATE: dict[str, Any] = {
    "versions": {"afanet": "1.0", "torch": "2.11.0", "openvino": None},
    "system": "Linux 6.1, x86_64",
    "torch": {"cuda": "13.0", "error": None},
    "devices": [
        {"name": "cpu", "model": "2 cores", "memory": 8 * 10**9, "bf16": False},
        {"name": "cuda:0", "model": "a card", "memory": 141 * 10**9, "bf16": True},
    ],
    "disk": {"working_folder": 5 * 10**9, "cache": None},
    "extras": {"train": [], "onnx": ["onnxruntime>=1.32"]},
}


def printed(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setattr("afanet.installation.describe_installation", lambda: state)
    assert main(["doctor"]) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_every_fact_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(STATE, monkeypatch, capsys) == [
        "afanet 1.0",
        "torch 2.11.0, for CUDA 13.0",
        "openvino not installed",
        "system Linux 6.1, x86_64",
        "cpu 2 cores, 8.0 GB, no fast bf16",
        "cuda:0 a card, 141.0 GB, bf16",
        "disk, here 5.0 GB free",
        "disk, cache there is no home folder: set AFANET_CACHE",
        "extra train installed",
        "extra onnx lacks onnxruntime>=1.32",
    ]


def test_a_torch_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    state = STATE | {"torch": {"cuda": None, "error": "no libcudart"}}
    assert "torch 2.11.0, fails: no libcudart" in printed(state, monkeypatch, capsys)


def test_json_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    state = json.loads(capsys.readouterr().out)
    assert state.keys() == STATE.keys()
    assert state["versions"]["afanet"] == __version__
