"""What commands print: in any encoding, in 80 columns, and where nobody reads it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.cli.main import main

ROOMS = "--size 32 48 --data.options.train_scenes 4 --data.options.test_scenes 3"
SMALL = (
    f"{ROOMS} --backbone test_resnet --network.head linear --network.output_stride 16 --steps 2 "
    "--batch-size 2 --workers 0 --device cpu"
)
COMMANDS = {
    "recipes": "recipes",
    "balancing": "balancing",
    "help": "train --help",
    "evaluate": "evaluate afa",
    "report": "report single afa --out report.html",
    "inspect": "inspect afa --limit 3 --out inspection",
    "predict": "predict digits photo.png --out predictions",
    "data init": "data init photos",
    "data check": f"data check rooms {ROOMS}",
    "data check of labels": "data check labels",
    "data prepare": f"data prepare rooms {ROOMS}",
}
TABLES = ["balancing", "evaluate", "report", "inspect", "data check", "data check of labels"]
LIGHT = ["recipes", "balancing", "help", "data check of labels"]
OTHERS = ["latin1", "cp1252", "cp437", "shift_jis", "koi8_r"]
Say = Callable[..., tuple[int, str]]


def printed(words: str, encoding: str) -> tuple[int, str]:
    """The exit status of a command and what it writes into a pipe that takes this encoding."""
    written = BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", TextIOWrapper(written, encoding=encoding, newline="\n"))
        patch.delenv("COLUMNS", raising=False)
        try:
            status = main(words.split())
        except SystemExit as end:
            status = int(end.code or 0)
        sys.stdout.flush()
        return status, written.getvalue().decode(encoding)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of moments, trained where a terminal has ASCII alone, and things to try them on."""
    folder = tmp_path_factory.mktemp("folder")
    for method in ("single", "afa"):
        status, text = printed(f"train rooms --method {method} {SMALL} --out {folder / method}", "ascii")
        assert status == 0
        assert "miou ^" in text
    words = (
        "--size 32 32 --backbone test_resnet --network.head linear --steps 2 --batch-size 8 --workers 0 "
        "--device cpu --method hard --data.options.train_pairs 8 --data.options.test_pairs 8"
    )
    assert printed(f"train digits {words} --out {folder / 'digits'}", "ascii")[0] == 0
    costs = {"costs": {"step_s": 14.67, "latency_s": 0.0356, "memory_mib": 3456.789}, "measured": {}}
    (folder / "afa/costs.json").write_text(json.dumps(costs))
    pixels = np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)
    for name in ("photo.png", *(f"photos/{kind}/{n}.png" for kind in ("cat", "dog") for n in range(3))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
    (folder / "labels").mkdir()
    header = "user_id\toriginal_image\tface_id\tage\tgender\n"
    for fold in range(5):
        (folder / f"labels/fold_{fold}_data.txt").write_text(f"{header}u{fold}\ta.jpg\t1\t(25, 32)\tf\n")
    return folder


@pytest.fixture
def there(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 20)
    monkeypatch.setattr("afanet.report.page.report_page", lambda *_: "the page, which takes seconds to draw")


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_needs_no_more_than_ascii_and_80_columns(command: str) -> None:
    status, text = printed(COMMANDS[command], "ascii")
    assert status == 0
    assert "\\" not in text.replace(r"D\xe9sid\xe9ri", "")  # a name keeps its letters
    assert "..." not in text or command == "help"
    tables = [line for line in text.splitlines() if line.startswith(("|", "+-"))]
    assert all(len(line) <= 80 for line in tables)
    assert bool(tables) == (command in TABLES)


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("command", ["evaluate", "report", "inspect"])
def test_tables_have_whole_names_and_numbers_with_units(command: str) -> None:
    status, text = printed(COMMANDS[command], "utf-8")
    assert status == 0
    assert "…" not in text
    assert not re.search(r"\de[+-]\d", text)
    tables = [line for line in text.splitlines() if line[:1] in "┏┃┡│├└"]
    assert max(map(len, tables)) <= 80
    expected = {
        "evaluate": ["segmentation", "pixel_accuracy ↑"],
        "report": ["14.7 s", "35.6 ms", "3.38 GiB", "delta_m by metric, % ↑"],
        "inspect": ["layer of", "backbone", "│ layer4.0 ", "segmentation"],
    }[command]
    for part in expected:
        assert part in "\n".join(tables)


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("encoding", OTHERS)
@pytest.mark.parametrize("command", LIGHT)
def test_a_command_can_be_read_in_any_encoding(command: str, encoding: str) -> None:
    status, text = printed(COMMANDS[command], encoding)
    assert status == 0
    assert "\\u" not in text


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    ("command", "closed", "status", "said"),
    [
        ("evaluate", True, 141, ""),
        ("predict", True, 141, ""),
        ("predict", False, 2, "afanet: error: the standard output cannot be written: No space left on device\n"),
    ],
)
def test_work_is_done_where_nobody_reads_of_it(
    command: str, closed: bool, status: int, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = {"evaluate": "afa/evaluation.json", "predict": "predictions/predictions.jsonl"}[command]
    Path(file).unlink(missing_ok=True)
    reading, writing = os.pipe() if closed else (os.open("/dev/null", os.O_RDONLY), os.open("/dev/full", os.O_WRONLY))
    os.close(reading)
    with pytest.MonkeyPatch.context() as patch, os.fdopen(writing, "w", encoding="utf-8") as stream:
        patch.setattr(sys, "stdout", stream)
        assert main(COMMANDS[command].split()) == status
    assert Path(file).is_file()
    error = capfd.readouterr().err
    assert "Traceback" not in error
    assert error.endswith(said)


@pytest.mark.parametrize(
    ("command", "status"),
    [("afanet balancing | true", 141), ("afanet --help | true", 141), ("afanet balancing >&-", 0)],
)
def test_a_shell_sees_no_traceback(command: str, status: int) -> None:
    script = f'afanet() {{ "{sys.executable}" -m afanet "$@"; }}; set -o pipefail; {command} > /dev/null'
    if ">&-" in command:
        script = script.removesuffix(" > /dev/null")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (status, "")


def test_c_without_coercion_is_ascii() -> None:
    variables = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "afanet", "balancing"], capture_output=True, env=os.environ | variables
    )
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert done.stderr == b""
