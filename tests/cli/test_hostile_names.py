"""No name in a run, recipe, table or file is ever executed: every door refuses what is not a word, by a sentence."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from afanet import AFA, InputError, Pooled, create_network, weave
from afanet.cli import main
from afanet.demo import Exhibit
from afanet.networks import METHODS
from afanet.networks.outputs import Dense
from afanet.recipe.load import load_recipe
from afanet.runs.folder import RunFolder
from afanet.runs.loaded import LoadedNetwork
from afanet.runs.run import Run
from afanet.tasks import Description

from ..weights import change_weights

TINY = [
    *("rooms", "--method", "afa", "--size", "24", "32", "--backbone", "test_resnet", "--steps", "1"),
    *("--data.options.train_scenes", "4", "--data.options.test_scenes", "3", "--batch-size", "4", "--workers", "0"),
    *("--device", "cpu", "--precision", "float32"),
]
PHOTO = np.zeros((20, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    assert main(["train", *TINY, "--out", str(run)]) == 0
    return run


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """The file that every hostile name makes where it is executed."""
    return tmp_path / "executed"


@pytest.fixture(params=["default", "statement", "lines"])
def evil(request: pytest.FixtureRequest, mark: Path) -> str:
    """A name without a dot, which no module may have, that ends the string in which fx would write it."""
    path = str(mark)
    assert "." not in path
    return {
        "default": f'x", open("{path}", "w") or "',
        "statement": f'x") or open("{path}", "w") or ("',
        "lines": f'x")\n    open("{path}", "w")  # ',
    }[request.param]


@pytest.fixture
def photo(tmp_path: Path) -> str:
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def change(file: Path, change: Callable[[Any], Any]) -> None:
    """A JSON or YAML file with something else in it."""
    read, write = (json.loads, json.dumps) if file.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
    file.write_text(write(change(read(file.read_text(encoding="utf-8")))), encoding="utf-8")


def renamed(values: dict[str, Any], evil: str) -> dict[str, Any]:
    return {evil if name == "depth" else name: value for name, value in values.items()}


@pytest.fixture
def run(trained: Path, tmp_path: Path, evil: str) -> Path:
    """A run whose task `depth` is called otherwise, in its figures, its description, its weights and its checkpoint."""
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    change(run / "metrics.json", lambda kept: kept | {k: renamed(kept[k], evil) for k in ("tasks", "described")})
    saved = torch.load(run / "last.ckpt", weights_only=True)
    weights = {key.replace(".depth.", f".{evil}."): tensor for key, tensor in saved["state_dict"].items()}
    torch.save(saved | {"state_dict": weights}, run / "last.ckpt")
    change_weights(run, lambda weights: {key.replace(".depth.", f".{evil}."): x for key, x in weights.items()})
    return run


@pytest.fixture(params=["with its data", "without data", "in its recipe"])
def anywhere(request: pytest.FixtureRequest, run: Path, tmp_path: Path, evil: str) -> Path:
    """The run; the same where its data are gone, so that only its own word says what its tasks are; with it there."""
    recipe = run / "recipe.yaml"
    if request.param == "without data":
        gone = {"name": "nyuv2", "root": str(tmp_path / "gone"), "options": {}}
        change(recipe, lambda values: values | {"data": values["data"] | gone})
    if request.param == "in its recipe":
        change(recipe, lambda values: values | {"tasks": ["segmentation", evil]})
    return run


def refused(words: list[str], mark: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence with which a command answers, with status 2, having executed nothing."""
    capsys.readouterr()
    status = main(words)
    said = capsys.readouterr().err
    assert not mark.exists()
    assert status == 2
    assert said.startswith("afanet: error: ")
    assert said.count("\n") == 1
    return said


def test_no_command_executes_a_run(
    anywhere: Path, photo: str, mark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = str(anywhere), str(tmp_path / "out")
    for words in (
        ["predict", run, photo, "--out", out],
        ["inspect", run, photo, "--out", out],
        ["inspect", run, photo, "--limit", "0", "--out", out],
        ["export", run, "--format", "torch"],
        ["export", run, "--format", "onnx"],
        ["evaluate", run],
        ["report", run, "--out", str(tmp_path / "report.html")],
        ["demo", run, "--port", "0"],
    ):
        said = refused(words, mark, capsys)
        assert "metrics.json" in said or "recipe.yaml" in said
    assert not Path(out).exists()


def test_no_comparison_executes_a_run(
    run: Path, mark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "all").mkdir()
    run.rename(tmp_path / "all/afa-seed0")
    at = TINY.index("--method")
    words = [*TINY[:at], *TINY[at + 2 :], "--methods", "afa", "--seeds", "1", "--out", str(tmp_path / "all")]
    assert "metrics.json" in refused(["compare", *words], mark, capsys)


def test_behind_the_first_door_there_is_another(run: Path, evil: str, mark: Path) -> None:
    folder = RunFolder(run)
    kept = json.loads(folder.metrics.read_text())
    finished = Run(folder, folder.read_recipe(), kept)
    with pytest.raises(InputError, match="cannot name a task"):
        _ = finished.described
    described = {
        name: Description(evil, Dense(1), "abs", {}, {"kind": "depth", "far": 9.0}) for name in ("segmentation", evil)
    }
    with pytest.raises(InputError, match="cannot name a task"):
        LoadedNetwork(finished, described)
    with pytest.raises(InputError):
        Exhibit(finished).answer(PHOTO)
    assert not mark.exists()


def test_a_run_to_begin_with_is_not_executed(
    run: Path, mark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(run / "recipe.yaml", lambda values: values | {"network": values["network"] | {"method": "single"}})
    words = ["train", *TINY, "--warm-start", str(run), "--out", str(tmp_path / "warm")]
    assert "metrics.json is not what train wrote" in refused(words, mark, capsys)
    (run / "metrics.json").unlink()  # as of a run that was interrupted, whose weights are taken too
    assert "has weights of a task " in refused(words, mark, capsys)


@pytest.mark.parametrize("key", ["tasks", "losses", "columns", "parts"])
def test_no_recipe_is_executed(
    key: str, evil: str, mark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = load_recipe("rooms", {"network.backbone": "test_resnet", "steps": 1}).model_dump(mode="json")
    rooms = {"name": "rooms", "options": {"train_scenes": 2, "test_scenes": 1}}
    if key == "tasks":
        recipe["tasks"] = ["depth", evil]
    if key == "losses":
        recipe["losses"] = {evil: {"name": "l1"}}
    if key == "columns":
        (tmp_path / "table.csv").write_text(f"image,split,{json.dumps(evil)}\n")
        options = {"tasks": {evil: {"kind": "regression", "range": [0, 1]}}}
        recipe["data"] |= {"name": "manifest", "root": str(tmp_path / "table.csv"), "options": options}
    if key == "parts":
        recipe["data"] |= {"name": "mixed", "options": {"parts": [rooms | {"tasks": ["depth", evil]}]}}
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe))
    refused(["train", str(file), "--out", str(tmp_path / "run"), "--workers", "0"], mark, capsys)
    assert not (tmp_path / "run").exists()
    refused(["data", "check", str(file)], mark, capsys)


def test_no_flag_is_executed(evil: str, mark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(["train", *TINY, f"--tasks={json.dumps(evil)}", "--out", str(tmp_path / "run")], mark, capsys)


def branch() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())


@pytest.mark.parametrize("at", [[], ["0"]])
def test_no_task_of_woven_networks_is_executed(at: list[str], evil: str, mark: Path) -> None:
    with pytest.raises(InputError, match="cannot name a task") as error:
        weave({evil: branch(), "b": branch()}, at, AFA, example=(1, 3, 16, 16))
    assert not mark.exists()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", METHODS)
def test_no_task_of_made_networks_is_executed(method: str, evil: str, mark: Path) -> None:
    with pytest.raises(InputError, match="cannot name a task"):
        create_network(method, {evil: Pooled(2), "b": Pooled(2)}, "test_resnet", size=(32, 32))
    assert not mark.exists()


def test_no_layer_of_a_branch_is_executed(evil: str, mark: Path) -> None:
    def net() -> nn.Module:
        made = nn.Sequential()
        made.add_module("a", nn.Conv2d(3, 4, 3))
        made.add_module(evil, nn.ReLU())
        return made

    for options in ({"at": ["a"]}, {"at": [evil]}, {"at": [], "share": "a"}, {"at": [], "share": evil}):
        with pytest.raises(InputError, match=r"of branch 'one' has .* in its name, which is not a word") as error:
            weave({"one": net(), "two": net()}, fusion=AFA, example=(1, 3, 16, 16), **options)
        assert "\n" not in str(error.value)
    assert not mark.exists()


def test_what_slips_through_the_doors_is_stopped_at_the_gate(
    evil: str, mark: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["afanet.networks.given"], "name_fault", lambda *_: None)
    for at in ([], ["0"]):
        with pytest.raises(InputError, match="the network cannot be written as code, because"):
            weave({evil: branch(), "b": branch()}, at, AFA, example=(1, 3, 16, 16))
    for method in ("hard", "mtan"):
        with pytest.raises(InputError, match="the network cannot be written as code, because"):
            create_network(method, {evil: Pooled(2), "b": Pooled(2)}, "test_resnet", size=(32, 32))
    assert not mark.exists()


def test_no_onnx_file_is_executed(
    evil: str, photo: str, mark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", 3, "H", "W"]) for name in ("image", evil)]
    graph = helper.make_graph([helper.make_node("Identity", ["image"], [evil])], "g", floats[:1], floats[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    meaning = {"kind": "normals", "directions": ["up"], "colours": [[0, 0, 0]]}
    plain = {"size": [24, 32], "mean": [0, 0, 0], "std": [1, 1, 1], "dynamic": {"batch": True, "size": True}}
    told = {"format": 1, "tasks": {evil: meaning}} | plain
    helper.set_model_props(model, {"afanet": json.dumps(told)})
    onnx.save(model, tmp_path / "model.onnx")
    said = refused(["predict", str(tmp_path / "model.onnx"), photo, "--out", str(tmp_path / "out")], mark, capsys)
    assert "lacks the description that `afanet export` writes" in said
