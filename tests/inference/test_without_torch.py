"""Photos are predicted on from an ONNX file where torch is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REFUSE = """
import sys, importlib.abc
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *rest):
        if name in ("torch", "torchvision", "timm", "lightning", "matplotlib", "pydantic", "yaml", "scipy"):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Refuse())
"""


def without_torch(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", REFUSE + script], capture_output=True, text=True)


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return without_torch(f"from afanet.cli import main; sys.exit(main({list(words)!r}))")


def test_the_command_labels_from_a_file(tiny_onnx: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((30, 20, 3), 200, np.uint8)).save(tmp_path / "a.png")
    table = tmp_path / "t.csv"
    for more in ([str(tmp_path / "a.png")], ["--fill"]):
        done = command("label", str(tiny_onnx), *more, "--out", str(table))
        assert done.returncode == 0, done.stderr
    header, row = (line.split(",") for line in table.read_text().splitlines())
    assert header == ["image", "split", "depth", "kind", "depth_confidence", "kind_confidence", "machine_made"]
    assert row[:3] == ["a.png", "train", "depth-machine/a.png"]
    assert row[3] in ("hall", "attic")
    assert (float(row[4]), row[6]) == (1, "depth;kind")


def test_the_command_predicts_from_a_file(tiny_onnx: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 20, 3), np.uint8)).save(tmp_path / "a.png")
    done = command("predict", str(tiny_onnx), str(tmp_path / "a.png"), "--out", str(tmp_path / "out"), "--flip")
    assert done.returncode == 0, done.stderr
    made = {file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*.*")}
    assert made == {
        "depth/a.png",
        "depth-colours/a.png",
        "depth-legend.png",
        "side-by-side/a.png",
        "predictions.jsonl",
        "predictions.csv",
    }


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["predict", "--help"]])
def test_the_command_says_what_it_is(words: list[str]) -> None:
    done = command(*words)
    assert (done.returncode, "afanet" in done.stdout) == (0, True), done.stderr


def test_a_run_says_that_torch_is_missing(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 20, 3), np.uint8)).save(tmp_path / "x.png")
    done = command("predict", str(tmp_path), str(tmp_path / "x.png"), "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "torch is missing: pip install torch" in done.stderr


def test_the_package_shows_all_its_names() -> None:
    done = without_torch("import afanet; assert set(afanet.__all__) <= set(dir(afanet)); afanet.Predictor")
    assert done.returncode == 0, done.stderr
    whole = (
        "import afanet; [getattr(afanet, name) for name in afanet.__all__]; afanet.networks.weave, afanet.fusion.AFA"
    )
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
