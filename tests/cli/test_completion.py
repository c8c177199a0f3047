"""The scripts of `afanet completion`, in the shells that this machine has."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from afanet.cli.main import main, parse
from afanet.recipe.load import recipe_names

# What is typed, some of what Tab then offers, and what it does not.
OFFERED = [
    ("afanet tr", ["train"], ["predict"]),
    ("afanet data ch", ["check"], ["train"]),
    ("afanet train ", [*recipe_names(), "my.yaml"], []),
    ("afanet train my", ["my.yaml"], ["rooms"]),
    ("afanet train rooms --optim", ["--optimizer", "--optimizer.clip"], ["--lr", "--optimizer.lr"]),
    ("afanet train rooms --lr 0.1 --method a", ["afa", "afa_channel"], ["hard"]),
    ("afanet train rooms --size 32 48 --precision ", ["auto", "bf16", "float32"], ["rooms"]),
    ("afanet predict runs pho", ["photo.jpg"], ["my.yaml"]),
    ("afanet completion ", ["bash", "zsh", "fish"], []),
]
BASH = "COMP_WORDS=({words}); COMP_CWORD={last}; _shtab_afanet; printf '%s\\n' \"${{COMPREPLY[@]}}\"; echo ==;"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a script for each shell, and with files to complete."""
    return tmp_path_factory.mktemp("completion")


@pytest.fixture
def script(request: pytest.FixtureRequest, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The script for a shell that is installed here, beside files to complete."""
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    file = folder / f"afanet.{shell}"
    if not file.exists():
        assert main(["completion", shell]) == 0
        file.write_text(capsys.readouterr().out)
        for name in ("my.yaml", "photo.jpg"):
            (folder / name).touch()
    return file


def run(script: Path, code: str) -> list[list[str]]:
    """What a shell prints after it has read the script, in parts that end with `==`."""
    command = [script.suffix[1:], "-c", f"source {shlex.quote(script.name)}; {code}"]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=True)
    return [part.split("\n") for part in done.stdout.split("==\n")]


def require_offered(parts: list[list[str]]) -> None:
    for (typed, there, absent), offered in zip(OFFERED, parts, strict=False):
        assert set(there) <= set(offered), typed
        assert not set(absent) & set(offered), typed


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash_offers_what_fits(script: Path) -> None:
    words = [[*typed.split(), ""] if typed.endswith(" ") else typed.split() for typed, _, _ in OFFERED]
    code = " ".join(BASH.format(words=shlex.join(each), last=len(each) - 1) for each in words)
    parts = run(script, code)
    assert len(parts) == len(OFFERED) + 1
    require_offered(parts)


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish_offers_what_fits(script: Path) -> None:
    parts = run(script, " ".join(f"complete -C {shlex.quote(typed)}; echo ==;" for typed, _, _ in OFFERED))
    require_offered([[line.partition("\t")[0] for line in part] for part in parts])


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh_can_read_the_script_which_has_every_flag(script: Path) -> None:
    subprocess.run(["zsh", "-n", script], check=True)
    text = script.read_text()
    for action in parse(["train", "rooms"]).parser._actions:
        assert not action.option_strings or any(f"{flag}[" in text for flag in action.option_strings), action


def test_an_unknown_shell_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "csh"]) == 2
    assert "unknown shell 'csh', did you mean 'zsh'? (known: bash, zsh, fish)" in capsys.readouterr().err
