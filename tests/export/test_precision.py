"""A run in fewer bits, from the command to the scores that its file gives again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from afanet.cli.main import main
from afanet.errors import InputError
from afanet.evaluation.evaluate import evaluate_file
from afanet.evaluation.protocol import Protocol
from afanet.export import Compression, export_run
from afanet.export.export import FORMATS

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
Trained = Callable[[str], Path]


@pytest.fixture
def one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs of one size, which are traced once and soon."""
    from dataclasses import replace

    for name in ("onnx", "openvino"):
        monkeypatch.setitem(FORMATS, name, replace(FORMATS[name], free=False))


@pytest.mark.usefixtures("one_size")
@pytest.mark.parametrize(
    ("format", "method"),
    [("onnx", "single"), ("openvino", "single"), pytest.param("onnx", "pad_net", marks=pytest.mark.slow)],
)
def test_a_file_in_int8_has_the_scores_that_it_says(
    format: str, method: str, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(format)
    run = shutil.copytree(trained(method), tmp_path / "run")
    assert main(["export", str(run), "--format", format, "--int8", "--tolerance", "1"]) == 0
    printed = capsys.readouterr().out
    assert "calibrated on 4 images of the run's training split, scored on the 3 images of the test split" in printed
    file = run / f"model-int8{FORMATS[format].suffix}"
    assert {each.name for each in run.iterdir() if each.name.startswith("model")} == {
        file.name, f"{file.name}.md", *(["model-int8.bin"] if format == "openvino" else [])
    }  # fmt: skip
    scores = evaluate_file(file, Protocol()).scored.scores
    card = file.with_name(f"{file.name}.md").read_text()
    for task, metrics in scores.items():
        for metric, score in metrics.items():
            assert f"| {task} | {metric} |" in card
            assert f"| {score:.4f} |" in card
    assert "| task | metric | float32 | int8 |" in card
    moved = shutil.move(file, tmp_path / file.name)
    if format == "onnx":
        with pytest.raises(InputError, match="is not in the folder of its run, so its data are unknown: give"):
            evaluate_file(Path(moved), Protocol())
        again = evaluate_file(Path(moved), Protocol(data=run / "recipe.yaml"), out=tmp_path / "scores.json")
        assert again.scored.scores == scores
        assert json.loads((tmp_path / "scores.json").read_text())["images"] == 3


@pytest.mark.slow
@pytest.mark.usefixtures("one_size")
def test_a_decoder_in_fp16_has_the_scores_of_float32(trained: Trained, tmp_path: Path) -> None:
    done = export_run(trained("pad_net"), "onnx", tmp_path / "net.onnx", compression=Compression("fp16", tolerance=1.0))
    assert max(done.errors.values()) < 1e-4
    assert done.file.stat().st_size < 0.6 * export_run(trained("pad_net"), "onnx", tmp_path / "whole.onnx").size


@pytest.mark.usefixtures("one_size")
def test_a_file_that_is_too_much_worse_is_not_left(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("afanet.export.compress.loss", lambda *given: 0.5)
    monkeypatch.setattr("afanet.export.compress.costs", lambda *given: [])
    assert main(["export", str(trained("single")), "--fp16", "--out", str(tmp_path / "new/net.onnx")]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("afanet: error: nothing was written: on the 3 images of the test split, miou of task")
    assert "worse by 50.0 %, and 1 % are allowed" in message
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "torch", "--int8"], "format torch exists in float32 only, and --int8 is for: onnx, openvino"),
        (["--fp16", "--calibrate", "photos"], "fp16 needs no calibration: leave --calibrate out, or give --int8"),
        (["--tolerance", "0.02"], "--tolerance is for files in fewer bits: add --int8 or --fp16, or leave it out"),
        (["--int8", "--tolerance", "5"], "the tolerance is 5.0, expected 0 to 1, such as 0.01 for 1 %"),
        (["--int8", "--calibrate", "nowhere"], "the calibration data nowhere do not exist"),
        (["--int8", "--fp16"], "not allowed with argument"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: list[str], message: str, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(trained("single").iterdir())
    assert main(["export", str(trained("single")), *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert sorted(trained("single").iterdir()) == before


def test_data_that_are_gone_are_said_to_be_needed(trained: Trained, tmp_path: Path) -> None:
    run = shutil.copytree(trained("single"), tmp_path / "run")
    recipe = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(recipe.replace("name: rooms\n  root: null", "name: nyuv2\n  root: /nowhere"))
    with pytest.raises(InputError, match="a file below float32 is checked by its scores on held-out images, but those"):
        export_run(run, "onnx", compression=Compression("int8"))
