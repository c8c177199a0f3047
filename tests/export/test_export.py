"""Files that give what the run gives, say what they hold, and are not written where they would not."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from afanet.cli.main import main
from afanet.errors import InputError
from afanet.export import export_run
from afanet.export.export import FORMATS
from afanet.inference import Predictor
from afanet.networks.methods import METHODS
from afanet.runs.loaded import LoadedNetwork
from afanet.runs.run import load_run
from afanet.tasks import Depth

from ..relatives import relatives

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
TOLERANCE = 1e-4  # of a task's largest value
Trained = Callable[[str], Path]


def expected(folder: Path, images: Tensor) -> dict[str, np.ndarray]:
    """What the run says of images: probabilities and metres, written out."""
    run = load_run(folder)
    logits = {name: x.double().numpy() for name, x in LoadedNetwork(run, run.described).answer(images).items()}
    powers = np.exp(logits["segmentation"] - logits["segmentation"].max(1, keepdims=True))
    metres = np.log1p(np.exp(logits["depth"])) + 1e-3
    return {"segmentation": powers / powers.sum(1, keepdims=True), "depth": metres}


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("method", relatives(METHODS.own, ["afa", "pad_net"]))
def test_onnx_gives_what_the_run_gives_at_any_size(method: str, trained: Trained, tmp_path: Path) -> None:
    done = export_run(trained(method), "onnx", tmp_path / "net.onnx")
    assert max(done.errors.values()) < TOLERANCE
    assert done.checked == "random images and 3 test images"
    session = onnxruntime.InferenceSession(done.file)
    assert [one.name for one in session.get_inputs()] == ["image"]
    names = [one.name for one in session.get_outputs()]
    assert names == ["segmentation", "depth"]
    facts = json.loads(session.get_modelmeta().custom_metadata_map["afanet"])
    assert facts == json.loads(json.dumps(done.facts))
    size = load_run(trained(method)).recipe.data.size
    assert (facts["format"], facts["method"], facts["size"]) == (1, method, list(size))
    assert facts["resize"] == "stretch"
    assert facts["dynamic"] == {"batch": True, "size": True}
    assert facts["tasks"]["depth"] == json.loads(json.dumps(Depth().meaning | {"far": facts["tasks"]["depth"]["far"]}))
    assert facts["metrics"] == load_run(trained(method)).results["tasks"]
    for shape in ((1, 3, *size), (2, 3, 40, 71)):
        images = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        for name, actual in zip(names, session.run(names, {"image": images.numpy()}), strict=True):
            truth = expected(trained(method), images)[name]
            assert actual.dtype == np.float32
            assert np.abs(actual - truth).max() < TOLERANCE * np.abs(truth).max()


@pytest.mark.parametrize("resize", relatives(["letterbox", "crop"], ["letterbox"]))
def test_a_run_and_its_file_answer_alike_for_a_photo_of_other_proportions(
    resize: str, trained: Trained, tmp_path: Path
) -> None:
    run = shutil.copytree(trained("single"), tmp_path / "run")
    recipe = (run / "recipe.yaml").read_text()
    assert "resize: stretch" in recipe
    (run / "recipe.yaml").write_text(recipe.replace("resize: stretch", f"resize: {resize}"))
    done = export_run(run, "onnx", tmp_path / "net.onnx")
    assert done.facts["resize"] == resize
    for shape, tolerance in (((32, 20), 1e-3), ((90, 40), 0.1)):  # the first is not resized, so that all bits are one
        photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
        a, b = (Predictor(source)(photo)["depth"].metres for source in (run, done.file))
        assert a.shape == b.shape == shape
        assert ((a > 0) == (b > 0)).all()
        assert (a > 0).all() == (resize == "letterbox")
        assert np.abs(a - b).max() < tolerance * a.max()


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("method", relatives(METHODS.own, ["single"]))
def test_torchs_file_holds_the_same(method: str, trained: Trained, tmp_path: Path) -> None:
    done = export_run(trained(method), "torch", tmp_path / "net.pt2")
    extra = {"afanet.json": ""}
    program = torch.export.load(done.file, extra_files=extra).module()
    assert json.loads(extra["afanet.json"]) == json.loads(json.dumps(done.facts))
    images = torch.randn(1, 3, 50, 70, generator=torch.Generator().manual_seed(1))
    truth = expected(trained(method), images)
    for name, actual in program(images).items():
        assert np.abs(actual.detach().numpy() - truth[name]).max() < TOLERANCE * np.abs(truth[name]).max()
    assert done.card == tmp_path / "net.pt2.md"
    card = done.card.read_text()
    assert "of one seed" in card
    assert "free of any terms" in card
    assert "Faces" not in card


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("format", relatives(["onnx", "torch"], ["onnx"]))
def test_a_file_for_some_tasks_is_smaller_and_gives_what_the_whole_run_gives(
    format: str, trained: Trained, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained("hard"), tmp_path / "run")
    done = export_run(folder, format, tasks=["depth"])
    assert done.file == folder / f"model-depth{FORMATS[format].suffix}"
    assert list(done.errors) == list(done.facts["tasks"]) == list(done.facts["metrics"]) == ["depth"]
    assert done.errors["depth"] < TOLERANCE
    images = torch.randn(2, 3, 40, 71, generator=torch.Generator().manual_seed(1))
    truth = expected(folder, images)["depth"]
    estimates = FORMATS[format].open(done.file)(images)
    assert list(estimates) == ["depth"]
    assert np.abs(estimates["depth"].numpy(force=True) - truth).max() < TOLERANCE * np.abs(truth).max()
    network = load_run(folder).network()
    head = sum(parameter.numel() for parameter in network.get_submodule("branches.segmentation.head").parameters())
    assert done.facts["parameters"] == sum(parameter.numel() for parameter in network.parameters()) - head
    if format == "onnx":
        held = sum(math.prod(weight.dims) for weight in onnx.load(done.file).graph.initializer)
    else:
        held = sum(weight.numel() for weight in torch.export.load(done.file).state_dict.values())
    assert abs(held - done.facts["parameters"]) < head / 2  # norms are buffers too, or part of the convolutions
    card = done.card.read_text()
    assert card.startswith(f"# {done.file.name}: depth by `hard`\n")
    assert [line for line in card.splitlines() if "segmentation" in line] == [
        "The run was also trained on segmentation. The file computes only what the outputs above need."
    ]
    assert f"- {done.facts['parameters'] / 1e6:.2f} million parameters\n" in card


@pytest.mark.parametrize("tasks", [["dept"], [], ["depth", "depth"]])
def test_tasks_that_the_run_does_not_have_are_refused_before_anything_is_read(
    tasks: list[str], trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.export.export.LoadedNetwork", None)
    before = sorted(trained("hard").iterdir())
    with pytest.raises(InputError, match=r"did you mean 'depth'|no task was chosen|task 'depth' is named twice"):
        export_run(trained("hard"), "onnx", tasks=tasks)
    assert sorted(trained("hard").iterdir()) == before


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_a_compiled_package_gives_the_same_for_one_image(trained: Trained, tmp_path: Path) -> None:
    done = export_run(trained("afa"), "aot", tmp_path / "net.aot.pt2")
    assert done.facts["dynamic"] == {"batch": False, "size": False}
    package = torch._inductor.aoti_load_package(str(done.file))
    assert json.loads(package.get_metadata()["afanet"]) == json.loads(json.dumps(done.facts))
    images = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    truth = expected(trained("afa"), images)
    for name, actual in package(images).items():
        assert np.abs(actual.detach().numpy() - truth[name]).max() < TOLERANCE * np.abs(truth[name]).max()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net.aot.pt2", "net.aot.pt2.md"]


def test_a_package_without_a_compiler_is_refused(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match="needs a C\\+\\+ compiler, and there is no no-such-compiler"):
        export_run(trained("afa"), "aot", tmp_path / "net.aot.pt2")
    assert not list(tmp_path.iterdir())


def test_a_file_that_differs_is_not_written(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = FORMATS["torch"]

    def off(file: Path) -> Callable[[Tensor], dict[str, Tensor]]:
        program = kind.open(file)
        return lambda images: {name: x + 0.01 * (name == "depth") for name, x in program(images).items()}

    monkeypatch.setitem(FORMATS, "torch", replace(kind, open=off))
    assert main(["export", str(trained("single")), "--format", "torch", "--out", str(tmp_path / "new/net.pt2")]) == 2
    message = capsys.readouterr().err
    assert "net.pt2 was not written: task 'depth' differs from the run by" in message
    assert not (tmp_path / "new").exists()


def test_bad_input_is_one_sentence(trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished = tmp_path / "unfinished"
    shutil.copytree(trained("hard"), unfinished)
    (unfinished / "metrics.json").unlink()
    (tmp_path / "file").touch()
    for words, message in [
        ([str(tmp_path)], "is not a run folder"),
        ([str(unfinished)], "has not finished"),
        ([str(trained("hard")), "--format", "onx"], "unknown format 'onx', did you mean 'onnx'?"),
        ([str(trained("hard")), "--out", "net.pt"], "--out is net.pt, expected a name that ends in .onnx"),
        ([str(trained("hard")), "--format", "torch", "--out", str(tmp_path / "file/net.pt2")], "not a folder"),
    ]:
        assert main(["export", *words]) == 2
        assert message in capsys.readouterr().err


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, trained: Trained, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(InputError, match="onnxscript is missing, of the extra 'export': pip install 'onnxscript>="):
        export_run(trained("hard"), "onnx", tmp_path / "net.onnx")
