"""Runs, ONNX files and formulas are asked alike; views are averaged as they were seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import tv_tensors

from afanet.cli.main import main
from afanet.data.transforms import as_input
from afanet.errors import InputError
from afanet.inference import Predictor
from afanet.runs.loaded import TaskPredictor
from afanet.runs.run import load_run
from afanet.runs.setup import open_tasks
from afanet.tasks.kinds import read_estimate

from ..bounds import bounded
from .conftest import MEAN, MEANINGS, SIZE, STD, Formula, told, write_model

PHOTO = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
FLAGS = "--size 32 48 --backbone test_resnet --network.head linear --steps 2 --batch-size 2 --workers 0 --device cpu"
FEW = "--data.options.train_scenes 4 --data.options.test_scenes 2"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "afa"
    assert main(["train", "rooms", *FLAGS.split(), *FEW.split(), "--out", str(folder)]) == 0
    return folder


def test_a_run_says_what_it_was_scored_by(run: Path) -> None:
    finished = load_run(run)
    photo = np.random.default_rng(1).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    sample = {"image": tv_tensors.Image(torch.from_numpy(photo).permute(2, 0, 1)), "targets": {}, "id": ""}
    data, tasks = open_tasks(finished.recipe)
    image = data.test.transform(sample)["image"].as_subclass(torch.Tensor)
    expected = TaskPredictor(finished, tasks).predict(image[None])
    results = Predictor(run)(photo)
    assert list(results) == ["segmentation", "depth"]
    assert (results["segmentation"].labels == expected["segmentation"][0].numpy()).mean() > 0.999
    assert np.allclose(results["depth"].metres, expected["depth"][0, 0], rtol=1e-3)


def test_results_of_some_tasks_are_those_of_all(run: Path, tiny_onnx: Path) -> None:
    for source, task in ((run, "depth"), (tiny_onnx, "depth"), (Formula(["depth", "age"], lambda x: {}), "age")):
        part = Predictor(source, tasks=[task])
        assert list(part.model.about.tasks) == [task]
        if isinstance(source, Path):
            results, every = part(PHOTO), Predictor(source)(PHOTO)
            assert list(results) == [task]
            assert results[task].metres.tobytes() == every[task].metres.tobytes()


def test_a_run_computes_only_what_its_chosen_tasks_need(run: Path) -> None:
    part = Predictor(run, tasks=["depth"])
    ran: list[str] = []
    for task in ("segmentation", "depth"):
        head = part.model.loaded.network.get_submodule(f"branches.{task}.head")
        head.register_forward_hook(lambda *_, task=task: ran.append(task))
    part(PHOTO)
    assert ran == ["depth"]


def test_a_task_that_is_not_chosen_allows_its_mirror_image() -> None:
    model = Formula(["age"], lambda images: {"age": np.zeros((len(images), 3), np.float32)})
    model.about.tasks["depth"] = MEANINGS["depth"] | {"mirror": False}
    with pytest.raises(InputError, match="task 'depth' depends on the side"):
        Predictor(model, flip=True)
    assert list(Predictor(model, flip=True, tasks=["age"])(PHOTO)) == ["age"]


def test_a_notebook_shows_the_tasks_of_a_predictor_as_text() -> None:
    model = Formula(["kind", "depth"], lambda images: {})
    model.about.tasks["kind"] = MEANINGS["kind"] | {"classes": ["<b>", "attic"]}
    rows = Predictor(model)._repr_html_().split("<tr>")
    assert "24x32 pixels" in rows[0]
    assert [row.count("</td>") for row in rows[2:]] == [3, 3]
    assert "classification 2: &lt;b&gt;, attic" in rows[2]


@pytest.mark.parametrize("tasks", [["dept"], [], ["depth", "depth"]])
def test_tasks_that_are_not_there_are_refused_before_a_network_is_read(
    tasks: list[str], run: Path, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.inference.run_model.LoadedNetwork", None)
    for source in (run, tiny_onnx, Formula(["depth"], lambda x: {})):
        with pytest.raises(InputError, match=r"did you mean 'depth'|no task was chosen|task 'depth' is named twice"):
            Predictor(source, tasks=tasks)


def test_a_run_prepares_photos_as_it_was_scored(run: Path) -> None:
    about = Predictor(run).model.about
    for size in ((7, 9), (16, 20), (32, 48)):
        expected = as_input(PHOTO, size, normalisation=about.normalisation)
        assert about.prepare(PHOTO, size).tobytes() == expected.numpy().tobytes()


def test_a_run_of_before_meanings_says_so(run: Path, tmp_path: Path) -> None:
    old = shutil.copytree(run, tmp_path / "old")
    results = json.loads((old / "metrics.json").read_text())
    del results["described"]
    (old / "metrics.json").write_text(json.dumps(results))
    assert list(Predictor(old)(PHOTO)) == ["segmentation", "depth"]  # from its data
    recipe = (old / "recipe.yaml").read_text()
    (old / "recipe.yaml").write_text(recipe.replace("train_scenes: 4", "train_scenes: none"))
    with pytest.raises(InputError, match="is an older run, without the meaning of its tasks"):
        Predictor(old)


def test_an_onnx_file_answers_as_its_formula(tiny_onnx: Path) -> None:
    results = Predictor(tiny_onnx)(PHOTO)
    red, green, _ = ((PHOTO / 255 - MEAN) / STD).transpose(2, 0, 1)
    assert np.allclose(results["depth"].metres, 2 + red, atol=1e-5)
    logits = np.array([red.mean(), green.mean()])
    assert np.allclose(list(results["kind"].probabilities.values()), np.exp(logits) / np.exp(logits).sum(), atol=1e-5)


def test_batches_change_nothing_and_hold_photos_of_any_size(tiny_onnx: Path) -> None:
    photos = [PHOTO, PHOTO[:7], PHOTO[:, :3]]
    together = list(Predictor(tiny_onnx, batch_size=2).predict(photos))
    for photo, found in zip(photos, together, strict=True):
        alone = Predictor(tiny_onnx)(photo)
        assert found["depth"].metres.shape == photo.shape[:2]
        assert np.allclose(found["depth"].metres, alone["depth"].metres, atol=1e-6)


def test_a_fixed_batch_is_asked_one_by_one_and_a_fixed_size_refuses_scales(tmp_path: Path) -> None:
    fixed = told(dynamic={"batch": False, "size": False})
    file = write_model(tmp_path / "fixed.onnx", {"afanet": json.dumps(fixed)})
    assert len(list(Predictor(file).predict([PHOTO, PHOTO]))) == 2
    with pytest.raises(InputError, match="only images of 24x32 pixels"):
        Predictor(file, scales=[1, 1.5])(PHOTO)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, "not a file of `afanet export`"),
        ({"afanet": "{"}, "export the run again"),
        ({"afanet": "[]"}, "export the run again"),
        ({"afanet": json.dumps(told(size=[3]))}, "export the run again"),
        ({"afanet": json.dumps(told(tasks={"../up": {"kind": "depth"}}))}, "export the run again"),
        ({"afanet": json.dumps(told(tasks={"gone": {"kind": "depth"}}))}, "no output 'gone'"),
        ({"afanet": json.dumps(told(format=2))}, "format 2, expected 1"),
        ({"afanet": "[" * 100_000}, "export the run again"),
        ({"afanet": json.dumps(told(size=[24, 10**9]))}, "'size' is .24, 1000000000.*export the run again"),
        ({"afanet": json.dumps(told(std=[0, 1, 1]))}, "'std' is .0, 1, 1.*export the run again"),
        ({"afanet": json.dumps(told(mean=[0] * 4))}, "'std' is .0.229, 0.224, 0.225.*export the run again"),
        ({"afanet": json.dumps(told(mean=[0] * 4, std=[1] * 4))}, "'mean' has 4 channels, but its images have 3"),
        ({"afanet": json.dumps(told(mean=[float("nan"), 1, 1]))}, "'mean' is .None.*export the run again"),
        ({"afanet": json.dumps(told(tasks={"a" * 65: {}}))}, "is not a word of letters.*export the run again"),
        ({"afanet": json.dumps(told(tasks={"kind": {"kind": "x"}}))}, "of task 'kind' 'kind' is 'x', expected one of"),
        ({"afanet": json.dumps(told(tasks={"depth": {"kind": "depth"}}))}, "of task 'depth' 'far' is missing"),
    ],
)
def test_a_file_that_is_not_ours_is_said_in_a_sentence(metadata: dict[str, str], said: str, tmp_path: Path) -> None:
    file = write_model(tmp_path / "other.onnx", metadata)
    with pytest.raises(InputError, match=f"other.onnx .*{said}"):
        Predictor(file)


def test_what_is_neither_run_nor_model_is_said(tmp_path: Path, tiny_onnx: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"x")
    (tmp_path / "model.pt").write_bytes(b"x")
    for name, said in [
        ("broken.onnx", "not a readable ONNX"),
        ("gone.onnx", "does not exist"),
        ("model.pt", "is a file"),
    ]:
        with pytest.raises(InputError, match=f"{name} .*{said}"):
            Predictor(tmp_path / name)
    with pytest.raises(InputError, match="is not a run folder"):
        Predictor(tmp_path)
    with pytest.raises(InputError, match="device 'tpu'"):
        Predictor(tiny_onnx, device="tpu")
    for scales in ([], [0.0], [float("nan")]):
        with pytest.raises(InputError, match="scales are"):
            Predictor(tiny_onnx, scales=scales)


def test_a_mirror_image_is_mirrored_back_and_a_normal_turns_with_it() -> None:
    def answer(images: np.ndarray) -> dict[str, np.ndarray]:
        height, width = images.shape[2:]
        across = np.broadcast_to(np.linspace(0, 1, width), (len(images), 1, height, width))
        right = np.zeros((len(images), 3, height, width))
        right[:, 0], right[:, 2] = 0.6, 0.8
        return {"depth": across.astype(np.float32), "normals": right.astype(np.float32)}

    model = Formula(["depth", "normals"], answer)
    results = Predictor(model, flip=True)(PHOTO)
    assert np.allclose(results["depth"].metres, 0.5, atol=1e-6)  # of a ramp and its mirror image
    assert np.allclose(results["normals"].vectors, [0, 0, 1], atol=1e-6)  # of right and left


def test_scales_are_seen_from_nearer_and_come_back_to_one_size() -> None:
    def answer(images: np.ndarray) -> dict[str, np.ndarray]:
        scale = images.shape[2] / SIZE[0]
        shape = (len(images), 1, *images.shape[2:])
        normal = np.array([0.6, 0, 0.8 * scale]) / np.hypot(0.6, 0.8 * scale)
        return {
            "depth": np.full(shape, 4 / scale, np.float32),
            "normals": np.broadcast_to(normal[:, None, None], (len(images), 3, *shape[2:])).astype(np.float32),
        }

    model = Formula(["depth", "normals"], answer)
    results = Predictor(model, scales=[0.5, 1, 2])(PHOTO)
    assert [shape[2:] for shape in model.asked] == [(12, 16), (24, 32), (48, 64)]
    assert np.allclose(results["depth"].metres, 4, atol=1e-5)
    assert np.allclose(results["normals"].vectors, [0.6, 0, 0.8], atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("task", ["depth", "segmentation", "years"])
def test_outputs_that_are_not_finite_are_no_results(task: str, value: float) -> None:
    channels = {"depth": (1, *SIZE), "segmentation": (3, *SIZE), "years": ()}[task]

    def answer(images: np.ndarray) -> dict[str, np.ndarray]:
        estimates = np.ones((len(images), *channels), np.float32)
        estimates.reshape(len(images), -1)[-1, -1] = value
        return {task: estimates}

    with pytest.raises(InputError, match=f"task '{task}' has outputs that are not finite"):
        list(Predictor(Formula([task], answer)).predict([PHOTO, PHOTO]))


@pytest.mark.parametrize("batch_size", [0, -1, 1025, 10**30])
def test_a_batch_has_an_end(batch_size: int, tiny_onnx: Path) -> None:
    with pytest.raises(InputError, match=f"batch_size is {batch_size}, expected 1 to 1024"):
        Predictor(tiny_onnx, batch_size=batch_size)


def test_scales_have_an_end(tiny_onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"17 scales, expected at most 16"):
        Predictor(tiny_onnx, scales=[1.0] * 17)
    large = write_model(tmp_path / "large.onnx", {"afanet": json.dumps(told(size=[4096, 4096]))})
    Predictor(large, scales=[1.9])
    with pytest.raises(InputError, match=r"scale 10 .* 40960x40960 pixels, expected at most 64,000,000"):
        Predictor(large, scales=[1.0, 10.0])


@pytest.mark.parametrize(
    "changes",
    [
        {"size": [10**9, 10**9]},
        {"size": [0, 32]},
        {"size": [24.5, 32]},
        {"size": ["24", "32"]},
        {"size": [True, 32]},
        {"mean": [0.5, 0.5, None]},
        {"std": [1, 1, "1"]},
    ],
)
def test_numbers_of_a_file_are_numbers_in_bounds(changes: dict[str, object], tmp_path: Path) -> None:
    file = write_model(tmp_path / "other.onnx", {"afanet": json.dumps(told(**changes))})
    with pytest.raises(InputError, match=r"other\.onnx .*export the run again"):
        Predictor(file)


@pytest.mark.parametrize("text", ["[" * 10**5, '{"a":' * 10**5, "1" * 5000])
def test_metadata_without_end_is_refused(text: str, tmp_path: Path) -> None:
    file = write_model(tmp_path / "other.onnx", {"afanet": text})
    with pytest.raises(InputError, match=r"other\.onnx"):
        Predictor(file)


@pytest.mark.parametrize("decimals", [10**9, -1, "1", 2.5])
def test_a_number_has_as_many_decimals_as_can_be_read(decimals: object) -> None:
    meaning = {"kind": "regression", "unit": "years", "decimals": decimals}
    with bounded(), pytest.raises(InputError, match=r"task 'age' .* decimals"):
        str(read_estimate("age", meaning, np.float32(31.42), (4, 4)))
