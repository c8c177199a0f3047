"""A run with any one of its tensors spoilt, and photos whose answers are no numbers: a sentence for each."""

from __future__ import annotations

import json
import math
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.cli.main import main
from afanet.demo import Exhibit
from afanet.demo.server import create_app
from afanet.errors import InputError
from afanet.runs.run import load_run

from ..weights import change_weights, weights_of

FLAGS = (
    "--size 32 48 --backbone test_resnet --network.head linear --method nddr --steps 1 --batch-size 4 "
    "--workers 0 --device cpu"
)
FEW = "--data.options.train_scenes 4 --data.options.test_scenes 2 --precision float32"
DRAWN = 4  # tensors


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "good"
    assert main(["train", "rooms", *FLAGS.split(), *FEW.split(), "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (37, 53, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def spoil(good: Path, folder: Path, name: str, value: float) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    change_weights(folder, lambda weights: weights | {name: torch.full_like(weights[name], value)})
    return folder


def tensors(good: Path) -> list[str]:
    """Some drawn at random, and those of the layers where tasks meet."""
    names = [name for name, tensor in weights_of(good).items() if tensor.is_floating_point()]
    meeting = [name for name in names if ".fusion." in name and "convs" in name]
    return [*meeting[:1], *random.Random(0).sample(names, DRAWN)]


def test_predict_and_the_demo_answer_or_say_why(
    good: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    testclient = pytest.importorskip("starlette.testclient")
    statuses = set()
    for number, name in enumerate(tensors(good)):
        value = (math.nan, math.inf, 3e38, -3e38, 1e30)[number % 5] if number else 3e38
        run = spoil(good, tmp_path / "run", name, value)
        status = main(["predict", str(run), str(photo), "--out", str(tmp_path / "out")])
        said = capsys.readouterr().err
        assert status in (0, 2), (name, value)
        if status == 2:
            assert str(run) in said.splitlines()[-1], (name, value)
            assert "not finite" in said
            assert "optimizer.lr" in said
        if not math.isfinite(value):
            assert f"'{name.removeprefix('network.')}'" in said
        try:
            exhibit = Exhibit(load_run(run))
        except InputError:
            assert status == 2
            continue
        client = testclient.TestClient(create_app(exhibit), base_url="http://127.0.0.1")
        answer = client.post("/answer", content=photo.read_bytes())
        assert answer.status_code in (200, 422), (name, value, answer.text)
        if answer.status_code == 422:
            assert "not finite" in answer.json()["error"]
        statuses.add(answer.status_code)
    assert statuses == {200, 422}


@pytest.fixture
def blinding(tmp_path: Path) -> Path:
    """An ONNX file whose depth is 2 m over the brightness of red: infinite for a photo without any."""
    from ..inference.conftest import MEANINGS

    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    values: dict[str, Any] = {"zero": [0], "one": [1], "channel": [1]}
    made = [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in values.items()]
    made.append(helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0]))
    nodes = [
        helper.make_node("Slice", ["image", "zero", "one", "channel"], ["red"]),
        helper.make_node("Div", ["two", "red"], ["depth"]),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", channels, "H", "W"])]
        for name, channels in (("image", 3), ("depth", 1))
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "blinding", *ends, made),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    described = {"format": 1, "tasks": {"depth": MEANINGS["depth"]}, "size": [24, 32]}
    described |= {"mean": [0.0] * 3, "std": [1.0] * 3, "dynamic": {"batch": True, "size": True}}
    helper.set_model_props(model, {"afanet": json.dumps(described)})
    onnx.save(model, tmp_path / "blinding.onnx")
    return tmp_path / "blinding.onnx"


def save_photos(folder: Path, **reds: int) -> Path:
    folder.mkdir()
    for name, red in reds.items():
        Image.fromarray(np.full((24, 32, 3), red, np.uint8)).save(folder / f"{name}.png")
    return folder


def test_a_photo_without_an_answer_is_listed_and_the_others_are_answered(
    blinding: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = save_photos(tmp_path / "photos", a=200, black=0, c=100), tmp_path / "out"
    assert main(["predict", str(blinding), str(photos), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "1 of the inputs cannot be used" in said
    assert f"{photos / 'black.png'}: in {blinding} task 'depth' has outputs that are not finite" in said
    lines = (out / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["a", "c"]
    assert sorted(file.name for file in (out / "depth").iterdir()) == ["a.png", "c.png"]


def test_where_no_photo_has_an_answer_the_network_is_named_and_nothing_written(
    blinding: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = save_photos(tmp_path / "photos", black=0, dark=0), tmp_path / "out"
    assert main(["predict", str(blinding), str(photos), "--out", str(out)]) == 2
    _, said = capsys.readouterr().err.strip().splitlines()  # the first says what is done
    assert f"in {blinding} task 'depth' has outputs that are not finite: train its network again" in said
    assert "and export it again" in said
    assert not out.exists()
