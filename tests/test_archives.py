"""What is published is the same bytes wherever it is built, and holds all that it should and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/afanet"
HATCH = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]
PARTS = [*HATCH["build"]["targets"]["sdist"]["only-include"], "pyproject.toml", "README.md", "LICENSE", ".gitignore"]


def build(place: Path, *, when: int, mode: int) -> dict[str, Path]:
    """Both archives of a copy of the sources whose files are of that time and mode, by suffix."""
    place.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, place)
    for file in filter(Path.is_file, place.rglob("*")):
        file.chmod(mode)
        os.utime(file, (when, when))
    (place / "src/afanet/__pycache__").mkdir()
    (place / "src/afanet/__pycache__" / f"{when}.pyc").write_text("made by running it")
    (place / f"notes-{when}.txt").write_text("nobody's business")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", place]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {file.suffix: file for file in (place / "dist").iterdir()}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], dict[str, Path]]:
    place = tmp_path_factory.mktemp("archives")
    return build(place / "here", when=10**9, mode=0o644), build(place / "there", when=1_700_000_000, mode=0o600)


@pytest.mark.parametrize("suffix", [".gz", ".whl"])
def test_two_copies_build_to_the_same_bytes(suffix: str, archives: tuple[dict[str, Path], dict[str, Path]]) -> None:
    here, there = (one[suffix] for one in archives)
    assert here.name == there.name
    assert here.read_bytes() == there.read_bytes()


def test_the_wheel_is_the_package_and_its_metadata(archives: tuple[dict[str, Path], dict[str, Path]]) -> None:
    with zipfile.ZipFile(archives[0][".whl"]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        [entry] = [wheel.read(name) for name in wheel.namelist() if name.endswith("/entry_points.txt")]
    files = {f for f in PACKAGE.rglob("*") if f.is_file() and f.parent.name != "__pycache__"}
    assert names == {file.relative_to(ROOT / "src").as_posix() for file in files}
    assert "afanet/py.typed" in names
    assert b"afanet = afanet.cli:main" in entry


def test_the_sdist_is_what_the_project_names(archives: tuple[dict[str, Path], dict[str, Path]]) -> None:
    with tarfile.open(archives[0][".gz"]) as sdist:
        names = {member.name.partition("/")[2] for member in sdist if member.isfile()}
    assert names >= {"LICENSE", "README.md", "CHANGELOG.md", "tests/test_archives.py", "docs/releasing.md"}
    assert {name.partition("/")[0] for name in names} == {*PARTS, "PKG-INFO"}
    assert not [name for name in names if name.endswith(".pyc")]
