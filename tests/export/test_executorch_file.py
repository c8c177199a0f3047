"""A run as a program of ExecuTorch: it answers as the run, says what it is, and other files are refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from afanet.cli.main import main
from afanet.errors import InputError
from afanet.export import export_run
from afanet.inference import open_model

pytest.importorskip("executorch.runtime")
Trained = Callable[[str], Path]


def test_a_program_answers_as_the_run_for_all_and_for_some_tasks(trained: Trained, tmp_path: Path) -> None:
    run = shutil.copytree(trained("afa"), tmp_path / "run")
    exported = export_run(run, "executorch")
    assert exported.file.name == "model.pte"
    assert max(exported.errors.values()) < 1e-5
    program, network = open_model(exported.file), open_model(run)
    images = np.random.default_rng(0).standard_normal((2, 3, *program.about.size), np.float32)
    ours, theirs = program.estimate(images), network.estimate(images)
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-4, atol=1e-5)
    last = list(theirs)[-1]
    np.testing.assert_array_equal(open_model(exported.file, tasks=[last]).estimate(images)[last], ours[last])
    with pytest.raises(InputError, match="takes only images of"):
        program.estimate(images[..., :-8])
    with pytest.raises(InputError, match="device 'cuda' cannot run files of ExecuTorch, expected one of: auto, cpu"):
        open_model(exported.file, "cuda")


def test_another_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"x\.pte does not exist"):
        open_model(tmp_path / "x.pte")
    (tmp_path / "x.pte").write_text("nothing")
    with pytest.raises(InputError, match="is not a readable file of ExecuTorch, expected one of"):
        open_model(tmp_path / "x.pte")
    assert main(["predict", str(tmp_path / "x.pte"), str(tmp_path / "photo.jpg"), "--out", str(tmp_path / "out")]) == 2
    assert "Traceback" not in capsys.readouterr().err
