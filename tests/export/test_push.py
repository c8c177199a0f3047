"""A run goes to the hub and comes back from it, each in a process of its own, which knows of no other hub."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from afanet.export.save import FILES, save_run
from afanet.runs.run import load_run

from ..hub import Hub

Trained = Callable[[str], Path]


def afanet(cache: Path, *words: str | Path, **variables: str) -> tuple[int, str, str]:
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_HOME": str(cache), **variables}
    command = [sys.executable, "-m", "afanet", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cache.parent)
    return done.returncode, done.stdout, done.stderr


def test_a_run_is_pushed_and_used_from_anywhere(hub: Hub, trained: Trained, tmp_path: Path) -> None:
    status, out, err = afanet(tmp_path / "one", "push", trained("afa"), "ada/rooms-afa")
    assert status == 0, err
    assert f"{hub.address}/ada/rooms-afa: README.md, config.json, model.safetensors (" in out
    assert sorted(hub.files["ada/rooms-afa"]) == sorted(FILES)
    assert b'afanet.load("hub:ada/rooms-afa")' in hub.files["ada/rooms-afa"]["README.md"]
    hub.asked.clear()
    status, _, err = afanet(tmp_path / "two", "export", "hub:ada/rooms-afa")
    assert status == 2
    assert "hub:ada/rooms-afa is on the hub: say with --out where to write model.onnx" in err
    fetched = {line.rpartition("/")[2] for line in hub.asked if "/resolve/" in line}
    assert fetched == {"config.json", "model.safetensors"}  # and not the card
    [snapshot] = (tmp_path / "two").glob("models--ada--rooms-afa/snapshots/*")
    ours, theirs = load_run(snapshot).weights(), load_run(trained("afa")).weights()
    assert all(bool((ours[name] == tensor).all()) for name, tensor in theirs.items())
    hub.files.clear()  # what was downloaded before is used without the hub
    status, _, err = afanet(tmp_path / "two", "export", "hub:ada/rooms-afa", HF_HUB_OFFLINE="1")
    assert "say with --out where to write model.onnx" in err


def test_a_name_that_is_not_there_and_a_hub_that_does_not_answer_are_one_sentence_each(
    hub: Hub, tmp_path: Path
) -> None:
    words = ("save", "hub:ada/nobody", tmp_path / "saved")
    cases = [
        (words, {}, "hub:ada/nobody does not exist on 127.0.0.1, or is private: check the name, or log in"),
        (words, {"HF_HUB_OFFLINE": "1"}, "could not be downloaded (HF_HUB_OFFLINE is set), and was not before"),
        (("save", "hub:nobody", tmp_path / "saved"), {}, "'nobody' is no name on the hub: expected owner/name"),
    ]
    for given, variables, sentence in cases:
        status, _, err = afanet(tmp_path / "cache", *given, **variables)
        assert (status, err.count("\n")) == (2, 1)
        assert sentence in err
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize(("status", "sentence"), [(401, "log in with `hf auth login`"), (500, "with status 500")])
def test_a_refusal_is_one_sentence(status: int, sentence: str, hub: Hub, trained: Trained, tmp_path: Path) -> None:
    hub.status = status
    folder = save_run(trained("afa"), tmp_path / "saved").folder
    code, _, err = afanet(tmp_path / "cache", "push", folder, "ada/rooms-afa")
    assert (code, err.count("\n")) == (2, 1)
    assert "hub:ada/rooms-afa was not uploaded" in err
    assert sentence in err
