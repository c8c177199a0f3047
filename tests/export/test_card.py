"""What a model card says of faces, of seeds, and of what is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from afanet.export.card import model_card
from afanet.export.facts import describe
from afanet.export.trace import Traced
from afanet.framing import RESIZES
from afanet.recipe.load import load_recipe
from afanet.runs.folder import RunFolder
from afanet.runs.run import Run
from afanet.tasks import Classification, Segmentation, Task


def card(recipe: str, task: Task, scores: list[float | None], *, dynamic: bool = True, resize: str = "stretch") -> str:
    results: dict[str, Any] = {"parameters": 12_340_000, "flops": 5_600_000_000, "data": "a | b"}
    runs = [
        Run(
            RunFolder(Path(str(seed))),
            load_recipe(recipe, {"seed": seed, "data.resize": resize}),
            results | {"tasks": {task.name: {"accuracy": score}}},
        )
        for seed, score in enumerate(scores)
    ]
    traced = Traced(None, dynamic, dynamic)  # type: ignore[arg-type]
    facts = describe(runs[0], {task.name: task}, traced)
    return model_card(runs, runs[0], facts, Path("net.onnx"), {task.name: 1e-6}, "noise")


def test_it_tells_the_spread_over_seeds_or_that_there_is_none() -> None:
    task = Segmentation(["floor", "wall"])
    several = card("rooms", task, [0.5, 0.6, 0.7])
    assert "| segmentation | accuracy | 0.6000 ± 0.1000 |" in several
    assert "over the seeds 0, 1, 2" in several
    one = card("rooms", task, [0.5])
    assert "| segmentation | accuracy | 0.5000 |" in one
    assert "of one seed" in one
    assert "| segmentation | accuracy | not known |" in card("rooms", task, [0.5, None])


@pytest.mark.parametrize(
    ("recipe", "name", "faces"), [("adience", "x", True), ("rooms", "age", True), ("rooms", "x", False)]
)
def test_risks_stand_in_those_of_faces(recipe: str, name: str, faces: bool) -> None:
    text = card(recipe, Classification(name, ["a", "b"]), [0.5])
    assert ("known risks" in text) == faces


@pytest.mark.parametrize("resize", RESIZES)
def test_it_says_how_a_photo_fits(resize: str) -> None:
    text = card("rooms", Segmentation(["floor", "wall"]), [0.5], resize=resize)
    says = {"stretch": "is stretched to this size", "letterbox": "cut them off", "crop": "for this part only"}
    assert [name for name, sentence in says.items() if sentence in text] == [resize]


def test_it_says_size_licence_and_what_is_fixed() -> None:
    text = card("adience", Classification("age", ["a", "b"]), [0.5], dynamic=False)
    for message in (
        "12.34 million",
        "5.60 GFLOPs",
        "research only",
        "only this size",
        "tied to the shape",
        "one image at a time",
    ):
        assert message in text


def test_names_are_no_markup() -> None:
    text = card("rooms", Classification("kind", ["<img src=x onerror=alert(1)>", "[a](b)", "c\n# d"]), [0.5])
    for written in ("&lt;img src=x onerror=alert(1)&gt;", r"\[a\](b)", "c # d"):
        assert written in text
    assert "<img" not in text
    assert "\n# d" not in text
