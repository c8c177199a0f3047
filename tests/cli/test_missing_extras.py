"""What an extra would have brought is asked for by one line that names it and the packages to install."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from ..relatives import relatives

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {
    name: [Requirement(one) for one in needed if not one.startswith("afanet[")]
    for name, needed in PROJECT["optional-dependencies"].items()
}
MODULES = {"pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn"}  # where a package has another name
# timm and torchvision bring these with them.
OF_THE_CORE = {"filelock", "jinja2", "numpy", "pillow", "pyyaml", "torchvision"}


def modules(*extras: str, without: set[str] = frozenset()) -> list[str]:
    names = {one.name for extra in extras for one in EXTRAS[extra]} - without
    return sorted(MODULES.get(name, name) for name in names)


def run(absent: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a Python in which `absent` cannot be imported."""
    code = f"import sys; sys.modules |= dict.fromkeys({absent}); from afanet.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)


def requested(done: subprocess.CompletedProcess[str]) -> str:
    """The extra that the one line on the standard error names."""
    assert (done.returncode, done.stdout) == (2, ""), done
    line = re.fullmatch(
        r"afanet: error: .*?(\S+) is missing, of the extra '(\w+)': pip install '?([\w-]+)(?:[[>]\S*)?\n", done.stderr
    )
    assert line, done.stderr
    module, extra, package = line.groups()
    assert package == {module: name for name, module in MODULES.items()}.get(module, module)  # on every index
    return extra


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["train", "rooms"], "train"),
        (["train", "rooms", "--help"], "train"),
        (["recipes"], "train"),
        (["balancing"], "train"),
        (["weights", "resnet18", "w.pth"], "train"),
        (["evaluate", "runs/x"], "train"),
        (["compare", "rooms"], "train"),
        (["sweep", "rooms"], "sweep"),
        (["report", "runs/x"], "train"),
        (["inspect", "runs/x", "photo.jpg"], "train"),
        (["data", "check", "rooms"], "train"),
        (["data", "prepare", "rooms"], "train"),
        (["predict", "runs/x", "photo.jpg", "--out", "out"], "train"),
        (["predict", "model.onnx", "photo.jpg", "--out", "out"], "onnx"),
        (["export", "runs/x"], "export"),
        (["completion", "bash"], "train"),
        (["demo"], "demo"),
        (["demo", "runs/x"], "demo"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else value,
)
def test_the_core_alone_names_the_extra_of_each_command(words: list[str], extra: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    there = {"runs/x": tmp_path, "photo.jpg": tmp_path / "photo.jpg"}
    words = [str(there.get(word, word)) for word in words]
    absent = modules("train", "report", "onnx", "export", "demo", without=OF_THE_CORE)
    assert requested(run(absent, *words)) == extra


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["demo", "--help"], ["export", "--help"], ["doctor"]])
def test_the_core_alone_says_what_it_is(words: list[str]) -> None:
    done = run(modules("train", "onnx", "export", "demo", without=OF_THE_CORE), *words)
    assert (done.returncode, done.stderr) == (0, "")


def run_after(absent: list[str], first: list[str], *words: str) -> tuple[str, subprocess.CompletedProcess[str]]:
    """What a command writes on the standard error as it succeeds, and the command after it in the same Python."""
    code = f"import sys; sys.modules |= dict.fromkeys({absent}); from afanet.cli import main; from contextlib import *"
    code += f"\nwith redirect_stdout(None): status = main({first})"
    code += '\nprint(end="\\0", file=sys.stderr, flush=True); sys.exit(main() if status == 0 else 70)'
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    said, _, done.stderr = done.stderr.partition("\0")
    return said, done


@pytest.mark.parametrize("module", relatives(modules("demo"), ["starlette"]))
def test_serving_names_its_extra_with_all_of_train_there(module: str, tmp_path: Path) -> None:
    assert requested(run([module], "demo", str(tmp_path))) == "demo"


def test_a_check_of_data_needs_no_templates_but_for_its_page(tmp_path: Path) -> None:
    words = ["data", "check", "rooms", "--size", "32", "48", "--data.options.train_scenes", "2"]
    words += ["--data.options.test_scenes", "2"]
    said, done = run_after(["jinja2"], words, *words, "--html", str(tmp_path / "page.html"))
    assert said.strip() == "reading 4 samples", done
    assert requested(done) == "train"
