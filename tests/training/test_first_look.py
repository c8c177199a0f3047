"""What `afanet data check` finds, `afanet train` says before its first step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from afanet.cli import main
from afanet.data import Data, Reader, Sample, Split, open_data
from afanet.data.cache import use_cache
from afanet.data.checks.survey import GENERATED, survey, survey_for_training, to_read
from afanet.data.prepare import prepare
from afanet.data.transforms import DepthMap, evaluation
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.tasks import Classification, Depth, MultiLabel, Regression, Segmentation, Task
from afanet.training.first_look import SAID, look_first

RECIPE = load_recipe("digits", {"workers": 0})
TASKS: dict[str, Task] = {
    "segmentation": Segmentation(["floor", "wall"]),
    "depth": Depth(max_metres=10),
    "age": Regression("age", 0, 100, "years"),
    "breed": Classification("breed", ["cat", "dog", "cow"]),
    "tags": MultiLabel("tags", ["wet", "old"]),
}


class Made(Reader):
    """Samples of the targets that are given, with noise as the image; `made` lists them."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, item: tuple[int, dict[str, Tensor]]) -> Sample:
        seed, targets = item
        self.made.append(seed)
        pixels = np.random.default_rng(seed).integers(0, 256, (3, 2, 4), np.uint8)
        return {"image": tv_tensors.Image(torch.from_numpy(pixels)), "targets": targets, "id": f"made/{seed}"}


def sound(**changes: Any) -> list[dict[str, Tensor]]:
    """Targets of three images in which everything occurs, but for what is changed in all of them."""
    mask = tv_tensors.Mask(torch.tensor([[0, 255, 255, 1], [0, 0, 1, 1]], dtype=torch.uint8))
    targets = []
    for breed, tags in enumerate(([1, 0], [0, 1], [0, 0])):
        values = {"metres": 3.0, "age": 40.0, "breed": breed, "tags": tags} | changes
        depth = DepthMap(torch.full((1, 2, 4), values.pop("metres")))
        numbers = {name: torch.tensor(value) for name, value in values.items() if value is not None}
        targets.append({"segmentation": mask, "depth": depth, **numbers})
    return targets


def make(train: list[dict[str, Tensor]], test: list[dict[str, Tensor]], seed: int = 100, **options: Any) -> Data:
    """Data of these targets; the images of test are numbered from `seed` on."""
    read = Made()
    return Data(
        train=Split(read, list(enumerate(train)), evaluation((2, 4))),
        test=Split(read, list(enumerate(test, start=seed)), evaluation((2, 4))),
        tasks=dict(TASKS),
        describe="made",
        **options,
    )


FAR = "split train, depth: most values lie beyond its far end of 10 m (median 3250 m)"
NEAR = "split train, depth: most values lie within a thousandth of its far end of 10 m (median 0.003 m)"
ODD = "split test, age: most values lie outside its range of 0 to 100 (median 1990): is it in another unit?"
FINDINGS: dict[str, tuple[Data, list[str]]] = {
    "nothing": (make(sound(), sound()), []),
    "a class is absent": (make(sound()[:2], sound()), ["split train has no breed of class cow"]),
    "one class alone": (
        make(sound(breed=1), sound()),
        ["split train has no breed of class cat, cow: all its labels are dog"],
    ),
    "no label to test on": (make(sound(), sound(age=None)), ["split test has no label for age"]),
    "the same image": (make(sound(), sound(), seed=2), ["made/2 (train) and made/2 (test) are the same image"]),
    "depth in another unit": (make(sound(metres=3250.0), sound()), [FAR]),
    "depth scaled twice": (make(sound(metres=0.003), sound()), [NEAR]),
    "what can be declared": (
        make(sound(metres=3250.0), sound(), remedies={"depth": "set `scale`"}),
        [f"{FAR}: set `scale`"],
    ),
    "numbers out of range": (make(sound(), sound(age=1990.0)), [ODD]),
    "a label on every image": (
        make(sound(tags=[1, 0]), sound()),
        ["split train has no tags of class old: every labelled image has wet"],
    ),
    "a warning of the data set": (make(sound(), sound(), warnings=["three odd ages"]), ["three odd ages"]),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_training_says_what_a_check_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    data, warnings = FINDINGS[name]
    assert survey(data, workers=0).errors == []
    assert survey(data, workers=0).warnings == warnings
    look_first(data, data.tasks, RECIPE)
    assert capsys.readouterr().err.splitlines() == [f"warning: {warning}" for warning in warnings]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_without_a_label_to_train_on_is_refused(task: str) -> None:
    data = make(sound(), sound())
    blank = TASKS[task].unlabelled((2, 4))
    for nothing in ({}, {task: blank}):
        train = [{key: value for key, value in targets.items() if key != task} | nothing for targets in sound()]
        data = make(train, sound())
        [error] = survey(data, workers=0).errors
        assert error.startswith(f"split train has no label for {task}, so that it cannot be learnt: label some of its")
        with pytest.raises(InputError) as caught:
            look_first(data, data.tasks, RECIPE)
        assert str(caught.value) == error
        look_first(data, [name for name in TASKS if name != task], RECIPE)  # others can be learnt


def test_a_fault_of_a_sample_ends_the_look(capsys: pytest.CaptureFixture[str]) -> None:
    data = make(sound(breed=7), sound(breed=8))
    with pytest.raises(InputError, match=r"^made/0: breed has label 7, expected 0 to 2: correct it, or leave it out$"):
        look_first(data, data.tasks, RECIPE)
    assert isinstance(data.train.read, Made)
    assert data.train.read.made == [0]


def test_of_many_warnings_the_first_are_printed_and_the_rest_counted(capsys: pytest.CaptureFixture[str]) -> None:
    data = make(sound(), sound(), warnings=[f"odd row {number}" for number in range(25)])
    look_first(data, data.tasks, RECIPE)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:SAID] == [f"warning: odd row {number}" for number in range(SAID)]
    assert lines[SAID:] == [f"warning: {25 - SAID} more warnings: `afanet data check` lists them"]


def test_of_generated_samples_some_are_made_and_nothing_is_called_absent() -> None:
    data = make(sound(breed=0) * 100, sound(age=None) * 20, seed=1000)
    found = survey_for_training(data, data.tasks, workers=0)
    assert isinstance(data.train.read, Made)
    assert len(data.train.read.made) == GENERATED + 60
    assert len(set(data.train.read.made)) == GENERATED + 60
    assert max(number for number in data.train.read.made if number < 1000) > 290
    assert found.warnings == ["split train, breed: all its labels are cat", "split test has no label for age"]
    assert found.splits["train"]["unread"] == 300 - GENERATED


def test_what_was_prepared_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make(sound(breed=1, metres=3250.0), sound(), seed=2)
    expected = survey(data, workers=0)
    prepare(data, tmp_path, workers=0)
    cached, cache = use_cache(data, tmp_path)
    assert cache is not None
    with monkeypatch.context() as patch:
        patch.setattr("afanet.data.cache.Cached.__call__", None)
        assert survey_for_training(cached, data.tasks, workers=0) == expected
    kept = cache / "survey.json"
    for damaged in ("", "[]", '{"splits": {}, "twins": []}', kept.read_text().replace('"images": 3', '"images": "3"')):
        kept.write_text(damaged)
        assert survey_for_training(cached, data.tasks, workers=0) == expected


@pytest.fixture
def masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Writes a recipe, with this declaration of its task, for ten images whose masks are 0 and 255."""
    rng = np.random.default_rng(0)
    rows = ["image,split,cow"]
    folder = tmp_path / "cows"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    for number in range(10):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"{number}.jpg")
        Image.fromarray(rng.integers(0, 2, (32, 32), np.uint8) * 255).save(folder / f"{number}.png")
        rows.append(f"{number}.jpg,{'test' if number > 6 else 'train'},{number}.png")
    (folder / "manifest.csv").write_text("\n".join(rows))

    def write(declared: str) -> Path:
        data = {
            "name": "manifest",
            "root": ".",
            "size": [32, 32],
            "options": {"tasks": {"cow": yaml.safe_load(declared)}},
        }
        recipe = {
            "name": "cows",
            "data": data,
            "network": {"method": "single", "backbone": "test_resnet", "weights": "none"},
            "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0},
            "schedule": {"name": "constant"},
            "epochs": 1,
            "batch_size": 4,
            "workers": 0,
            "device": "cpu",
        }
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        return folder / "recipe.yaml"

    return write


def test_masks_of_0_and_255_are_recognised_and_ids_read_them(
    masks: Callable[[str], Path], capsys: pytest.CaptureFixture[str], tiny: None
) -> None:
    recipe = masks("{kind: segmentation, classes: [background, object]}")
    warning = (
        "warning: split train has no cow of class object: all its labels are background; 49.8% of the pixels are void, "
        "and id 255 means void: if it is a class in the files, declare the ids, such as "
        "`ids: {0: background, 255: object}`"
    )
    assert main(["data", "check", str(recipe)]) == 0
    assert warning in capsys.readouterr().out.splitlines()
    assert main(["train", str(recipe), "--out", "void"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines.index(warning) < next(number for number, line in enumerate(lines) if line.startswith("epoch"))

    masks("{kind: segmentation, ids: {0: background, 255: object}}")
    assert main(["train", str(recipe), "--out", "ids"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main(["train", "ids/recipe.yaml", "--out", "again", "--epochs", "2"]) == 0
    opened = load_recipe(Path("again/recipe.yaml")).data
    data = open_data("manifest", opened.root, opened.size, **opened.options)
    stored = np.asarray(Image.open("cows/0.png"))
    np.testing.assert_array_equal(data.train.read(data.train.items[0])["targets"]["cow"], stored == 255)


def test_a_check_of_a_recipe_is_about_the_tasks_that_it_trains(
    masks: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = masks("{kind: segmentation, ids: {0: background, 255: object}}")
    table = Path("cows/manifest.csv")
    table.write_text(table.read_text().replace("cow\n", "cow,age\n").replace(".png\n", ".png,\n") + ",")
    text = yaml.safe_load(recipe.read_text())
    text["data"]["options"]["tasks"]["age"] = {"kind": "regression", "range": [0, 9]}
    for tasks, status in ((["cow", "age"], 2), (["cow"], 0), (None, 2)):
        recipe.write_text(yaml.safe_dump(text | {"tasks": tasks}))
        assert main(["data", "check", str(recipe)]) == status
        refused = "error: split train has no label for age" in capsys.readouterr().out
        assert refused == bool(status)


def test_of_parts_that_are_generated_some_samples_are_made_and_files_are_all_read(masks: Callable[[str], Path]) -> None:
    root = masks("{kind: segmentation, ids: {0: background, 255: object}}").parent
    cow = {"kind": "segmentation", "ids": {0: "background", 255: "object"}}
    own = {"name": "manifest", "root": str(root), "options": {"tasks": {"cow": cow}}}
    rooms = {"name": "rooms", "options": {"train_scenes": 100, "test_scenes": 1}, "tasks": ["depth"]}
    data = open_data("mixed", size=(24, 32), parts=[rooms, own])
    read = list(to_read(data.train))
    assert read[GENERATED:] == list(range(100, 107))
    assert 0 <= read[0] < read[GENERATED - 1] < 100
    assert list(to_read(data.test)) == [0, 1, 2, 3]
    assert data.remedies["cow"] == ""


def test_masks_that_are_all_void_are_refused_before_training(
    masks: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = masks("{kind: segmentation, classes: [a, b], void: 0}")
    for number in range(10):
        Image.new("L", (32, 32)).save(f"cows/{number}.png")
    assert main(["train", str(recipe), "--out", "run"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "split train has no label for cow, so that it cannot be learnt (id 0 means void: if it is a class" in error
    assert not Path("run").exists()
    assert main(["data", "check", str(recipe)]) == 2
