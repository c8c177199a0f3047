"""Doing what a page shows, in order and in small: its commands, Python and YAML, with what it says is printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from afanet.cli import main

from .pages import Block, blocks, commands, is_slow, left_out

ROOT = Path(__file__).parents[2]
SIZE = {"--size": "32 48"}  # of the cache too, or training would not find it
SMALLER = SIZE | {
    "--backbone": "test_resnet",
    "--network.head": "linear",
    "--steps": "2",
    "--batch-size": "2",
    "--workers": "0",
    "--device": "cpu",
}
FEWER = {
    "rooms": ["--data.options.train_scenes", "4", "--data.options.test_scenes", "2"],
    "digits": ["--data.options.train_pairs", "8", "--data.options.test_pairs", "8"],
}
BENCHMARK = "--methods single --steps 1 --batch-size 2 --scenes 4 --rounds 1 --images 2"
# Pages that show what is counted in whole data sets, of which there are a few samples here.
COUNTED = (
    "adience.md",
    "check.md",
    "command-line.md",
    "dense-benchmarks.md",
    "digits.md",
    "distilling.md",
    "going-on.md",
    "index.md",
    "nyuv2.md",
    "streaming.md",
)
# In the place of SLURM's: two tasks on this machine, with the variables that it sets and where they find each other.
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
export SLURM_NTASKS=2 SLURM_NTASKS_PER_NODE=2 SLURM_NNODES=1 SLURM_NODEID=0 SLURM_JOB_ID=7 SLURM_JOB_NAME=train
for rank in 0 1; do SLURM_PROCID=$rank SLURM_LOCALID=$rank "$@" & started[rank]=$!; done
wait "${started[0]}" && wait "${started[1]}"
"""

Before = Callable[[str], None]


def pattern(line: str, counted: bool) -> str:
    """What a shown line may look like: `...` is anything, and figures, sizes, times or all numbers are any others."""
    number = r"\d[\d.x]*"
    varying = number if counted else r"\d+x\d+|\d+\.\d+|\d+(?= s\))"
    return number.join(re.escape(part).replace(r"\.\.\.", ".*") for part in re.split(varying, line.strip()))


def write_yaml(block: Block) -> None:
    """Into the file that the text names last: entries of `tasks`, or a recipe with what `flat/recipe.yaml` has more."""
    path = Path(re.findall(r"`([\w/]+\.yaml)`", block.above)[-1])
    base = next((file for file in (path, Path("flat/recipe.yaml")) if file.exists()), None)
    recipe = yaml.safe_load(base.read_text()) if base else {}
    given = yaml.safe_load(textwrap.dedent(block.text))
    if block.text.startswith(" "):
        recipe["data"]["options"]["tasks"] |= given
    else:
        recipe |= given
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))


def in_full(command: str) -> list[str]:
    """The command for what it names in capitals but for paths: METHOD is single task, then AFA."""
    command = command.replace("SEED", "0").replace("NAME", "uw")
    return [command.replace("METHOD", method) for method in ("single", "afa")] if "METHOD" in command else [command]


def smaller(command: str, data: Path) -> list[str]:
    """The command's words, with those that make it small, and stand-ins for weights and data."""
    words = shlex.split(
        command.replace("--weights PATH", "--weights weights.pt")
        .replace("tf_efficientnet_lite0", "test_resnet")
        .replace("PATH", str(data))
    )
    if "--network.taps" not in words:
        words = ["test_vit" if word == "vit_tiny_patch16_224" else word for word in words]
    given = words[words.index("afanet") + 1 :] if "afanet" in words else []
    if given[1:2] == ["prepare"]:
        same = ("--backbone", "--network.head")  # as training is here
        of_features = {flag: SMALLER[flag] for flag in same} | {"--method": "hard"}
        added = SIZE | of_features if "--features" in words else SIZE
    elif given[:1] == ["train"]:
        # Where a command names no method: what weaving takes is tested elsewhere, but `inspect` needs something woven.
        woven = given[1] == "rooms" and "--network.taps" not in words
        added = SMALLER | {"--method": "afa" if woven else "hard"}
    elif given[:1] == ["evaluate"]:
        added = {}
        if "--window" in words:  # which is no larger than the images
            words[words.index("--window") + 1 :] = SIZE["--size"].split()
    elif given[:1] == ["compare"]:
        added = SMALLER | {"--seeds": "1"}
        if "--folds" in words:
            words[words.index("--folds") + 1] = "0,1"
        if "--seeds" in words:
            words[words.index("--seeds") + 1] = "1"
    elif given[:1] == ["sweep"]:
        added = SMALLER | {"--repeat": "1"}
        words += ["--trials", "2", "--data.options.validation_pairs", "4"]
    else:
        return words if given else [*words, *BENCHMARK.split()]
    words += FEWER.get(given[2 if given[1:2] == ["prepare"] else 1], [])
    return words + [word for flag, value in added.items() if flag not in words for word in (flag, *value.split())]


def launch(script: str) -> str:
    """Run a line of bash on each machine that it wants, all of which are this one, and return what was printed."""
    binaries, number = Path("bin"), int((re.findall(r"--nnodes (\d)", script) or ["1"])[0])
    binaries.mkdir(exist_ok=True)
    binaries.joinpath("srun").write_text(SRUN)
    binaries.joinpath("srun").chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    script = script.replace("HOST:29500", f"127.0.0.1:{port} --local-addr 127.0.0.1")
    script = script.replace("--nproc-per-node 4", "--nproc-per-node 1").replace("benchmarks/", f"{ROOT}/benchmarks/")
    path = f"{binaries.absolute()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    more = {"PATH": path, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": os.environ | more}
    started = [subprocess.Popen(["bash", "-c", script], **pipes) for _ in range(number)]
    printed = "".join(process.communicate(timeout=500)[0] for process in started)
    assert [process.returncode for process in started] == [0] * number, f"{script}\n{printed}"
    return printed


def follow(
    page: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    before: Before = lambda text: None,
    slow: bool = False,
) -> None:
    """Do what `page` says, each block in its turn; `before` is called with a command or block ere its turn comes."""
    namespace: dict[str, object] = {}
    last, printed, everything = "", "", ""
    for block in blocks(page):
        if left_out(block.text) or (page.name == "README.md" and block.kind != "console"):
            continue
        before(block.text)
        everything += "".join(capsys.readouterr())
        if block.kind == "python":
            for name in re.findall(r"[Ss]ave this as `(\w+\.py)`", block.above.rpartition("\n## ")[2]):
                Path(name).write_text(block.text)
            exec(block.text, namespace)
            everything += (printed := "".join(capsys.readouterr()))
        elif block.kind == "yaml":
            write_yaml(block)
        elif block.kind == "toml":
            tomllib.loads(block.text)
        elif block.kind in ("console", "bash"):
            for command, shown in commands(block):
                if left_out(command) or (is_slow(command) and not slow):
                    continue
                before(command)
                for line in in_full(command):
                    everything += do(line, shown, page, data, capsys)
        elif block.text.startswith("image,split"):
            check(block.text.splitlines(), Path("flat/manifest.csv").read_text(), page)
        elif last == "python":
            assert block.text == printed
        else:
            check(block.text.splitlines(), everything, page)
        last = block.kind


def do(command: str, shown: list[str], page: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run one command, see that it prints what is shown, and return what it printed."""
    goes_on = any(flag in command for flag in ("--warm-start", "--resume", "--start-from"))
    keeps = any(of_several in page.read_text(encoding="utf-8") for of_several in ("afanet evaluate", "--distill "))
    if not keeps and "afanet train" in command and not goes_on:
        shutil.rmtree("runs", ignore_errors=True)  # of a command that the next can stand for
    program, *words = smaller(command, data)
    if program == "afanet":
        status = main(words)
        printed = "".join(capsys.readouterr())
        assert status == (2 if any(line.startswith("error: ") for line in shown) else 0), f"{command}\n{printed}"
    else:
        printed = launch(shlex.join([program, *words]))
    check(shown, printed, page)
    return printed


def check(shown: list[str], printed: str, page: Path) -> None:
    for line in shown:
        assert re.search(pattern(line, page.name in COUNTED), printed), f"{page.name}: {line}\n{printed}"
