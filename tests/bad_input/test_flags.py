"""Whatever value a flag is given, a command takes it or refuses it in one sentence that names the flag or the value."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from afanet.cli import main
from afanet.recipe.schema import recipe_keys

VALUES = [
    "",
    "-1",
    "0",
    "1e999",
    "nan",
    "9" * 400,
    "x",
    "[",
    "{a: 1}",
    "[1, [2]]",
    "!!int 0x",
    "2024-99-99",
    "~",
    "true",
]
VALUES += [
    "\ud800",
    "\udcff",
    "a\0b",
    "\x1b[2J",
    "../..",
    "x" * 5000,
    ": ",
    "&a *a",
    "[" * 40,
    "'",
    "größe",
    "1 2",
    "--",
]
COMMANDS = {
    "train": ["rooms", "--print-config"],
    "compare": ["nowhere.yaml"],
    "evaluate": ["nowhere"],
    "report": ["nowhere"],
    "inspect": ["nowhere"],
    "export": ["nowhere", "out.onnx"],
    "predict": ["nowhere", "photo.jpg"],
    "demo": ["nowhere"],
    "balancing": [],
    "data check": ["nowhere"],
    "data prepare": ["nowhere"],
    "data init": ["nowhere"],
}


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str | None:
    """What the command said, if it refused; None if it did not. It never prints a traceback nor leaves a file."""
    try:
        status = main(words)
    except SystemExit as end:  # of a help text
        status = int(end.code or 0)
    said = capsys.readouterr().err
    assert status in (0, 2), words
    assert "Traceback" not in said, words
    assert not list(Path().iterdir()), words
    if status:
        assert said.count("afanet: error: ") == 1, words
        assert len(said) < 2000, words
    return said if status else None


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_a_command_takes_or_refuses_any_value(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    flags = set(re.findall(r"(?<!\S)--[a-z][\w.-]*", capsys.readouterr().out)) - {"--help"}
    rng = random.Random(0)
    for flag in sorted(flags):
        for value in rng.sample(VALUES, 4):
            refused([*command.split(), *COMMANDS[command], flag, value], capsys)


def test_every_key_of_a_recipe_takes_or_refuses_any_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng, count = random.Random(0), 0
    for key in recipe_keys():
        for value in rng.sample(VALUES, 5):
            said = refused(["train", "rooms", "--print-config", f"--{key}={value}"], capsys)
            count += said is not None
            assert said is None or key.split(".")[-1] in said.replace("-", "_"), (key, value, said)
    assert count > 100
