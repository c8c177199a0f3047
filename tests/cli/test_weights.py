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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("test_resnet none", "WEIGHTS is 'none': expected a file, local-dir:FOLDER or hf-hub:ORG/NAME"),
        ("test_resnet nowhere.pth", "nowhere.pth is not a file: expected weights saved as .pth or .safetensors"),
        ("test_resnet hf-hub:nowhere", "hf-hub:nowhere is no network of the hub: expected hf-hub:ORG/NAME"),
        ("test_resnett nowhere.pth", "unknown backbone 'test_resnett', did you mean 'test_resnet"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", *words.split()]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
