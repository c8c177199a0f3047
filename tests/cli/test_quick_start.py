"""Help, lists and paths that do not exist are answered before anything heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = [
    *("torch", "torchvision", "timm", "lightning", "torchmetrics", "torchjd", "tensorboard", "onnx", "onnxruntime"),
    *("matplotlib", "scipy", "sklearn", "pandas", "h5py", "pyarrow", "cv2", "starlette", "uvicorn"),
]
CODE = f"""
import sys
from afanet.cli import main
try:
    status = main()
except SystemExit as end:
    status = end.code
print("imported:", *[name for name in {HEAVY} if name in sys.modules])
sys.exit(status)
"""
NO_RUN = "nowhere is not a run folder: it has no recipe.yaml, expected a folder that `afanet train` wrote"


def run(words: str, folder: Path) -> tuple[int, str, list[str]]:
    """Exit status, what is said on the standard error, and what heavy packages were imported."""
    command = [sys.executable, "-c", CODE, *words.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr, done.stdout.rpartition("imported:")[2].split()


@pytest.mark.parametrize(
    "words",
    ["--help", "--version", "recipes", "balancing", "balancing --names", "train --help", "compare --help",
     "data check --help", "weights --help", "label --help", "train rooms --print-config"],
)  # fmt: skip
def test_help_and_lists_import_nothing_heavy(words: str, tmp_path: Path) -> None:
    assert run(words, tmp_path) == (0, "", [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("evalaute nowhere", "unknown command 'evalaute', did you mean 'evaluate'?"),
        ("train rooms --epoch 3", "unknown flag '--epoch', did you mean '--epochs'"),
        ("train nowhere", "unknown recipe 'nowhere'"),
        ("compare nowhere", "unknown recipe 'nowhere'"),
        ("compare nowhere.yaml", "nowhere.yaml"),
        ("evaluate nowhere", NO_RUN),
        ("report nowhere", NO_RUN),
        ("inspect nowhere photo.jpg", NO_RUN),
        ("inspect nowhere photo.jpg --limit -1", "--limit is -1, expected 0 or more"),
        ("export nowhere", NO_RUN),
        ("demo nowhere", NO_RUN),
        ("predict nowhere photo.jpg --out out", NO_RUN),
        ("label nowhere photo.jpg --out t.csv", NO_RUN),
        ("label . photo.jpg --out t.csv", "photo.jpg does not exist, expected a picture"),
        ("label . --out t.csv --fill", "t.csv is not a file, expected a table to fill"),
        ("predict . photo.jpg --out out", "photo.jpg does not exist, expected a picture"),
        ("data init nowhere", "data path 'nowhere' does not exist, expected a folder with images, or with images/"),
        ("data init .", "data path '.' is an empty folder, expected a folder with images, or with images/"),
        ("data check nowhere", "nowhere is nothing, expected a recipe or the folder of a data set"),
        ("data check nowhere.yaml", "nowhere.yaml"),
        ("data prepare nowhere", "unknown recipe 'nowhere'"),
    ],
)
def test_what_is_misspelt_or_missing_is_said_before_anything_heavy_is_imported(
    words: str, said: str, tmp_path: Path
) -> None:
    status, error, imported = run(words, tmp_path)
    assert (status, imported) == (2, [])
    assert error.startswith("afanet: error: ")
    assert said in error


def test_reading_a_run_imports_what_the_others_do_without(tmp_path: Path) -> None:
    _, _, imported = run("evaluate .", tmp_path)
    assert {"torch", "lightning"} <= set(imported)
