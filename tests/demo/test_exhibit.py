"""What the page shows is what the run predicts, with a connection cut or not."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.data import open_data
from afanet.data.padding import Framed
from afanet.data.transforms import evaluation, normalised
from afanet.demo import Exhibit
from afanet.errors import InputError
from afanet.framing import framing
from afanet.fusion import cut_connection
from afanet.inspection.connections import as_input
from afanet.runs.run import Run


def values(task: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(task["values"]), "<u2").reshape(task["height"], task["width"])


def predicted(exhibit: Exhibit, photo: np.ndarray) -> dict[str, np.ndarray]:
    found = exhibit.predictor.predict(
        as_input(photo, exhibit.run.recipe.data.size, normalisation=exhibit.normalisation)[None]
    )
    return {"segmentation": found["segmentation"][0].numpy(), "depth": (found["depth"][0, 0] * 100).round().numpy()}


def test_values_under_the_cursor_are_the_predictions(exhibit: Exhibit, photo: np.ndarray) -> None:
    answer, truth = exhibit.answer(photo), predicted(exhibit, photo)
    for task in answer["tasks"]:
        assert np.array_equal(values(task), truth[task["name"]])
        assert "changed" not in task


def test_pictures_are_those_of_the_predictions_to_the_pixel(exhibit: Exhibit, photo: np.ndarray) -> None:
    found = exhibit.predictor.predict(
        as_input(photo, exhibit.run.recipe.data.size, normalisation=exhibit.normalisation)[None]
    )
    for task in exhibit.answer(photo)["tasks"]:
        file = io.BytesIO(base64.b64decode(task["picture"].removeprefix("data:image/png;base64,")))
        drawn = exhibit.predictor.tasks[task["name"]].picture(found[task["name"]][0])
        assert np.array_equal(np.asarray(Image.open(file)), drawn)


def test_shares_sum_to_one_and_every_task_has_a_map_at_every_layer(exhibit: Exhibit, photo: np.ndarray) -> None:
    answer, about = exhibit.answer(photo), exhibit.about()
    assert [one["layer"] for one in answer["shares"]] == about["layers"]
    assert np.allclose([one["shares"] for one in answer["shares"]], np.ones((2, 2)) / 2, atol=0.5)
    assert np.allclose(np.sum([one["shares"] for one in answer["shares"]], -1), 1, atol=1e-5)
    places = {(one["layer"], one["to"]) for one in answer["taken"]}
    assert places == {(layer, task["name"]) for layer in about["layers"] for task in about["tasks"]}


def test_a_cut_is_a_cut_at_the_last_layers_and_leaves_nothing_behind(exhibit: Exhibit, photo: np.ndarray) -> None:
    whole = exhibit.answer(photo)
    layers = len(exhibit.layers)
    told = exhibit.answer(photo, to=1, source=0, layers=layers)
    with torch.inference_mode():
        contexts = [cut_connection(exhibit.predictor.network, layer, 1, 0) for layer in exhibit.layers]
        for context in contexts:
            context.__enter__()
        truth = predicted(exhibit, photo)
        for context in contexts:
            context.__exit__(None, None, None)
    for task in told["tasks"]:
        assert np.array_equal(values(task), truth[task["name"]])
        assert task["before"]["picture"] != task["picture"]
        assert "on average" in task["changed"] or "of the pixels" in task["changed"]
    assert exhibit.answer(photo) == whole


@pytest.mark.parametrize("layers", [0, 1])
def test_only_chosen_tasks_are_computed_and_answer_alike(exhibit: Exhibit, photo: np.ndarray, layers: int) -> None:
    every = exhibit.answer(photo, to=1, source=0, layers=layers)
    ran: list[str] = []
    hooks = [
        exhibit.predictor.network.get_submodule(f"branches.{name}.head").register_forward_hook(
            lambda *_, name=name: ran.append(name)
        )
        for name in ("segmentation", "depth")
    ]
    some = exhibit.answer(photo, to=1, source=0, layers=layers, tasks=["depth"])
    for hook in hooks:
        hook.remove()
    assert set(ran) == {"depth"}
    assert some["tasks"] == [task for task in every["tasks"] if task["name"] == "depth"]
    assert some["taken"] == [taken for taken in every["taken"] if taken["to"] == "depth"]
    assert some["shares"] == every["shares"]


def test_a_run_whose_data_are_gone_answers_alike(
    exhibit: Exhibit, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(run: Run) -> None:
        raise InputError("gone")

    monkeypatch.setattr(Run, "open", gone)
    alone = Exhibit(exhibit.run)
    alone.predictor.network.load_state_dict(exhibit.predictor.network.state_dict())  # as loud as the fixture
    assert (alone.samples, exhibit.samples) == (0, 6)
    assert alone.answer(photo) == exhibit.answer(photo)


def drawn(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


@pytest.mark.parametrize("shape", [(90, 40), (40, 90), (32, 48)])
@pytest.mark.parametrize("resize", ["letterbox", "crop"])
def test_what_is_drawn_lies_on_the_photo(exhibit: Exhibit, resize: str, shape: tuple[int, int]) -> None:
    recipe = exhibit.run.recipe
    data = recipe.data.model_copy(update={"resize": resize})
    fitted = Exhibit(replace(exhibit.run, recipe=recipe.model_copy(update={"data": data})))
    photo = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    frame = framing(shape, data.size, resize)
    found = fitted.predictor.predict(as_input(photo, data.size, resize, fitted.normalisation)[None])
    answer = fitted.answer(photo)
    top, left, height, width = answer["seen"]
    for task in answer["tasks"]:
        picture, numbers = drawn(task["picture"]), values(task)
        assert picture.shape[:2] == numbers.shape
        assert abs(numbers.shape[0] / numbers.shape[1] - shape[0] / shape[1]) < 0.1 * shape[0] / shape[1]
        rows, columns = (
            slice(round(start * side), round((start + length) * side))
            for start, length, side in zip((top, left), (height, width), numbers.shape, strict=True)
        )
        truth = found[task["name"]].numpy().reshape(data.size)[frame.filled.slices]
        read = np.round(truth * 100) if task["name"] == "depth" else truth
        assert np.array_equal(numbers[rows, columns], read)
        black = picture.copy()
        black[rows, columns] = 0
        assert not black.any()
    for taken in answer["taken"]:
        assert drawn(taken["picture"]).shape[:2] == numbers.shape


def test_a_letterboxed_sample_is_padded_to_the_same_bits_again(exhibit: Exhibit) -> None:
    recipe, size = exhibit.run.recipe, (32, 48)
    data = recipe.data.model_copy(update={"resize": "letterbox"})
    fitted = Exhibit(replace(exhibit.run, recipe=recipe.model_copy(update={"data": data})))
    fitted.data = open_data("rooms", size=(48, 48), train_scenes=1, test_scenes=6)
    steps = normalised(evaluation(size, "letterbox").transforms, fitted.normalisation)
    fitted.data.test.transform = Framed(steps, fitted.data.tasks)
    photo = np.asarray(Image.open(io.BytesIO(fitted.sample(0))))
    assert photo.shape == (32, 32, 3)
    image = as_input(photo, size, "letterbox", fitted.normalisation)
    assert torch.equal(image, fitted.data.test[0]["image"].as_subclass(torch.Tensor))


def test_what_there_is_not_is_refused(exhibit: Exhibit, photo: np.ndarray) -> None:
    with pytest.raises(InputError, match="were to be cut, and tasks meet at"):
        exhibit.answer(photo, 0, 1, layers=99)
    with pytest.raises(InputError, match="expected two of 0 to 1"):
        exhibit.answer(photo, 0, 2, layers=1)
    with pytest.raises(InputError, match="there is no sample 6: there are 6"):
        exhibit.sample(6)
