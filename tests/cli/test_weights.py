"""`afanet weights` as a person uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from afanet.cli.main import main


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with all tensors of a small ResNet but those of a stage."""
    state = timm.create_model("test_resnet").state_dict()
    torch.save({name: x for name, x in state.items() if not name.startswith("layer4")}, tmp_path / "resnet.pth")
    return str(tmp_path / "resnet.pth")


def test_it_lists_modules_and_says_the_line_that_training_says(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "test_resnet", file]) == 0
    *table, line = capsys.readouterr().out.strip().splitlines()
    rows = {words[0]: words[1:] for words in map(str.split, table)}
    assert list(rows) == ["module", "conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc"]
    assert line.startswith("test_resnet: ")
    assert f"missing: layer4.* ({rows['layer4'][0]}), unused: fc.* ({rows['fc'][0]})" in line


def test_it_lists_a_file_that_training_would_refuse_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = timm.create_model("test_resnet").state_dict()
    few = {name: x for name, x in state.items() if name.startswith("layer1")}
    torch.save(few | {"[red]a\x1b[2K.x": torch.ones(1)}, tmp_path / "few.pth")
    assert main(["weights", "test_resnet", str(tmp_path / "few.pth")]) == 0
    *table, line, last = capsys.readouterr().out.strip().splitlines()
    rows = [row.split() for row in table]
    assert ["layer1", "10"] in rows
    assert [r"[red]a\x1b[2K", "1"] in rows
    assert line.startswith("test_resnet: 10 of 75 tensors loaded from few.pth")
    assert last == "training refuses it unless network.partial is set"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("test_resnet none", "WEIGHTS is 'none': expected a file, local-dir:FOLDER or hf-hub:ORG/NAME"),
        ("test_resnet nowhere.pth", "nowhere.pth is not a file: expected weights saved as .pth or .safetensors"),
        ("test_resnet hf-hub:nowhere", "hf-hub:nowhere is not a network on the hub: expected hf-hub:ORG/NAME"),
        ("test_resnett nowhere.pth", "unknown backbone 'test_resnett', did you mean 'test_resnet"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", *words.split()]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
