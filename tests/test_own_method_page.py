"""The file on the page "Add a method of your own" is one that works, with the methods that it offers to add."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
import torch

from afanet import Pooled, create_network, outside, register_method
from afanet.networks import HEADS, METHODS
from afanet.testing import check_fusion

PAGE = Path(__file__).parents[1] / "docs" / "your-own-method.md"
FILE, GATES, PAIRS, IMAGE, _, IN_PYTHON, A_HEAD = re.findall(
    r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
)


@pytest.mark.parametrize(
    ("name", "with_gates"), [("MeanPull", False), ("Readable", True), ("PairMix", True), ("Glance", True)]
)
def test_the_file_on_the_page_passes_the_checks(
    name: str, with_gates: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(f"{FILE}\n\n{GATES}\n\n{PAIRS}\n\n{IMAGE}")
    reference = f"{tmp_path / 'mine.py'}:{name}"
    monkeypatch.setattr(outside, "_trusted", {reference})
    layer = outside.load(reference)
    assert callable(layer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_fusion(layer)
    assert layer(4).offers_gates is layer(4).offers_cut is with_gates
    assert len(FILE.splitlines()) < 30


def test_the_lines_in_python_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "_rows", dict(METHODS._rows))
    scope = {"__name__": "page"}
    exec(FILE, scope)
    exec(IN_PYTHON, scope)
    register_method("mean_pull", METHODS["mean_pull"])
    assert "mean_pull" in METHODS


def test_the_head_on_the_page_gives_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HEADS, "_rows", dict(HEADS._rows))
    exec(A_HEAD, {"__name__": "page"})
    network = create_network("hard", {"age": Pooled(8), "gender": Pooled(2)}, "resnet18", size=(64, 64), head="largest")
    assert network(torch.rand(2, 3, 64, 64))["age"].shape == (2, 8)
