"""A saved folder: whole or not there, without code and paths, and with a card that the hub understands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from afanet.cli import main
from afanet.errors import InputError
from afanet.export.save import FILES, save_run
from afanet.networks import METHODS
from afanet.runs.run import load_run

Trained = Callable[[str], Path]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_comes_back_bit_for_bit(method: str, trained: Trained, tmp_path: Path) -> None:
    run, images = load_run(trained(method)), torch.rand(2, 3, 32, 48)
    saved = load_run(save_run(run.path, tmp_path / "saved").folder)
    with torch.inference_mode():
        ours, theirs = saved.network()(images), run.network()(images)
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], logits) for name, logits in theirs.items())
    assert saved.scores == run.scores


def metadata(card: str) -> Any:
    return yaml.safe_load(card.split("---\n")[1])


def test_the_folder_has_three_files_that_others_may_read_and_no_path(trained: Trained, tmp_path: Path) -> None:
    run = trained("afa")
    folder = save_run(run, tmp_path / "deep" / "saved").folder
    assert sorted(file.name for file in folder.iterdir()) == sorted(FILES)
    assert len({file.stat().st_mode for file in folder.iterdir()}) == 1
    for file in folder.iterdir():
        assert str(run.parent).encode() not in file.read_bytes()
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert metadata(card) == {
        "library_name": "afanet",
        "tags": ["multi-task-learning", "afa", "segmentation", "depth"],
    }
    for part in (
        "# segmentation, depth by `afa`",
        'afanet.load("FOLDER")',
        "| depth | abs |",
        "scored at 32x48",
        "Limits",
    ):
        assert part in card


def test_a_folder_that_is_there_is_left_as_it_is_unless_it_is_empty(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert save_run(trained("afa"), tmp_path / "empty").folder.is_dir()
    before = {file: file.read_bytes() for file in (tmp_path / "empty").iterdir()}
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        save_run(trained("afa"), tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        save_run(trained("afa"), tmp_path / "file")
    assert {file: file.read_bytes() for file in (tmp_path / "empty").iterdir()} == before


@pytest.mark.parametrize("where", ["afanet.export.save.saved_card", "afanet.export.save._require_same"])
def test_a_failure_leaves_nothing(
    where: str, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(where, fail)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        save_run(trained("afa"), tmp_path / "deep" / "saved")
    assert list(tmp_path.iterdir()) == []


def test_the_commands_say_what_they_did_or_why_not(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = str(trained("afa")), str(tmp_path / "saved")
    assert main(["save", run, folder]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"read back, its outputs are those of {run}, bit for bit"
    assert second.startswith(f"{folder}: README.md, config.json, model.safetensors (")
    assert main(["save", run, folder]) == 2
    assert main(["save", str(tmp_path / "nowhere"), folder]) == 2
    assert main(["push", run, "rooms"]) == 2
    assert main(["push", "hub:ada/rooms", "ada/rooms"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    assert "'rooms' is not a name on the hub: expected owner/name" in said[2]
    assert "is on the hub already" in said[3]
