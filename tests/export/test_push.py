"""A run goes to the hub and comes back from it, with a new cache as on another machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from afanet.cli import main
from afanet.export.save import FILES, save_run
from afanet.runs.run import load_run

from ..hub import Hub

Trained = Callable[[str], Path]


def test_a_run_is_pushed_and_used_from_anywhere(
    hub: Hub, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(trained("afa")), "ada/rooms-afa"]) == 0
    out = capsys.readouterr().out
    assert f"{hub.address}/ada/rooms-afa: README.md, config.json, model.safetensors (" in out
    assert sorted(hub.files["ada/rooms-afa"]) == sorted(FILES)
    assert b'afanet.load("hub:ada/rooms-afa")' in hub.files["ada/rooms-afa"]["README.md"]
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "two"))
    assert main(["export", "hub:ada/rooms-afa"]) == 2
    sentence = "hub:ada/rooms-afa is on the hub, so model.onnx cannot be written there: give --out"
    assert sentence in capsys.readouterr().err
    fetched = {line.rpartition("/")[2] for line in hub.asked if "/resolve/" in line}
    assert fetched == {"config.json", "model.safetensors"}  # and not the card
    [snapshot] = (tmp_path / "two").glob("models--ada--rooms-afa/snapshots/*")
    ours, theirs = load_run(snapshot).weights(), load_run(trained("afa")).weights()
    assert all(bool((ours[name] == tensor).all()) for name, tensor in theirs.items())
    hub.files.clear()  # what was downloaded before is used without the hub
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main(["export", "hub:ada/rooms-afa"]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "offline", "sentence"),
    [
        ("ada/nobody", False, "hub:ada/nobody does not exist on 127.0.0.1, or is private: check the name, or log in"),
        ("ada/nobody", True, "could not be downloaded (HF_HUB_OFFLINE is set), and this machine has no copy"),
        ("nobody", False, "'nobody' is not a name on the hub: expected owner/name"),
    ],
)
def test_a_name_that_is_not_there_and_a_hub_that_does_not_answer_are_one_sentence_each(
    name: str,
    offline: bool,
    sentence: str,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    assert main(["save", f"hub:{name}", str(tmp_path / "saved")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert sentence in error
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize(("status", "sentence"), [(401, "log in with `hf auth login`"), (500, "with status 500")])
def test_a_refusal_is_one_sentence(
    status: int, sentence: str, hub: Hub, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.status = status
    folder = save_run(trained("afa"), tmp_path / "saved").folder
    capsys.readouterr()
    assert main(["push", str(folder), "ada/rooms-afa"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "hub:ada/rooms-afa was not uploaded" in error
    assert sentence in error
