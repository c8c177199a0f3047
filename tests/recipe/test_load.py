"""Recipes by name and from files, and what is said of bad ones."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from afanet.errors import InputError
from afanet.recipe.load import dump_recipe, load_recipe, older_values, recipe_names, with_older_values


@pytest.mark.parametrize("name", ["rooms", "digits", "nyuv2", "adience"])
def test_the_package_carries_complete_recipes(name: str) -> None:
    assert name in recipe_names()
    assert load_recipe(name).name == name


@pytest.mark.parametrize("name", recipe_names())
def test_a_dumped_recipe_reads_back_as_it_was(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, {"data.root": "somewhere", "steps": 7, "data.options.more": [1, 2]})
    file = tmp_path / "recipe.yaml"
    file.write_text(dump_recipe(recipe))
    assert load_recipe(file) == recipe


def test_overrides_replace_single_values_and_make_sections() -> None:
    recipe = load_recipe("rooms", {"optimizer.lr": "1e-2", "data.options.seed": 3})
    assert recipe.optimizer.lr == 0.01
    assert recipe.optimizer.weight_decay == load_recipe("rooms").optimizer.weight_decay
    assert recipe.data.options["seed"] == 3


def test_a_run_from_before_the_limit_on_weights_goes_on_with_what_it_had(tmp_path: Path) -> None:
    recipe = load_recipe("rooms")
    file = tmp_path / "recipe.yaml"
    file.write_text(dump_recipe(recipe))
    assert with_older_values(recipe, file) == recipe
    file.write_text("".join(line for line in dump_recipe(recipe).splitlines(True) if line.strip() != "partial: false"))
    assert older_values(file) == {"network.partial": True}
    assert with_older_values(recipe, file).network.partial


@pytest.mark.parametrize("word", ["last", "validation"])
def test_a_score_to_select_by_replaces_the_word_in_a_file(word: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(dump_recipe(load_recipe("rooms", {"select": word})))
    assert f"\nselect: {word}\n" in file.read_text()
    recipe = load_recipe(file, {"select.by": "depth.rmse"})
    assert recipe.selects
    assert recipe.select_by == "depth.rmse"
    file.write_text(dump_recipe(recipe))
    assert load_recipe(file) == recipe
    assert load_recipe(file, {"select": word}) == load_recipe("rooms", {"select": word})


@pytest.mark.parametrize(
    ("source", "overrides", "message"),
    [
        ("room", {}, "unknown recipe 'room', did you mean 'rooms'"),
        ("nyu", {}, "did you mean 'nyuv2'"),
        ("nowhere/recipe.yaml", {}, "nowhere/recipe.yaml cannot be read (No such file or directory)"),
        ("rooms", {"optimiser.lr": 1}, "unknown recipe key 'optimiser', did you mean 'optimizer'"),
        ("rooms", {"optimizer.rl": 1}, "unknown recipe key 'optimizer.rl', did you mean 'optimizer.lr'"),
        ("rooms", {"epoch": 3}, "unknown recipe key 'epoch', did you mean 'epochs'"),
        ("rooms", {"epochs": "ten"}, "'epochs' is 'ten', which should be a valid integer"),
        ("rooms", {"optimizer.lr": math.inf}, "'optimizer.lr' is inf, which should be a finite number"),
        ("rooms", {"optimizer.name": "adan"}, "'optimizer.name' is 'adan', which should be 'adamw', 'adam' or 'sgd'"),
        ("rooms", {"epochs.more": 3}, "'epochs' is 3, expected a section"),
        ("rooms", {"data.size": ["96"]}, "'data.size.1' is missing"),
        ("rooms", {"select": "best"}, "'select' is 'best', which should be last, validation, or a section with by:"),
        ("rooms", {"select": {"on": "depth"}}, "'select' is {'on': 'depth'}, which should be last, validation, or"),
        (
            "rooms",
            {"select.on": "depth"},
            "which should be last, validation, or a section with by: TASK or",
        ),
        ("rooms", {"select.by": "depth", "select": "last"}, "'select' is 'last' and 'select.by' is 'depth', which"),
        ("rooms", {"stop.patience": 0}, "'stop.patience' is 0, which should be greater than 0"),
        ("rooms", {"stop.patient": 3}, "unknown recipe key 'stop.patient', did you mean 'stop.patience'"),
    ],
)
def test_bad_recipes_are_refused_in_one_sentence(source: str, overrides: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(source, overrides)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds None, expected keys"),
        ("- 1\n- 2\n", "holds [1, 2], expected keys"),
        ("name: x\ndata: [1\n", "line 3, column 1 is not valid YAML"),
        ("name: \x00", "line 1, column 7 has the character 0x0000"),
        ("name: x", "'data' is missing"),
        ("name: x\ndata: rooms", "'data' is 'rooms', which should be a valid dictionary"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_recipe(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8 text"):
        load_recipe(tmp_path / "mine.yaml")


def test_a_path_in_a_file_begins_at_the_file_and_one_on_the_command_line_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    file = folder / "mine.yaml"
    parts = [{"name": "nyuv2", "root": "there"}, {"name": "rooms", "root": None}]
    values = yaml.safe_load(dump_recipe(load_recipe("rooms")))
    values["data"] |= {"root": "data", "options": {"parts": parts}}
    values["network"]["weights"] = "w.pth"
    file.write_text(yaml.safe_dump(values))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    recipe = load_recipe("../recipes/mine.yaml")
    for path, name in {recipe.data.root: "data", Path(recipe.network.weights): "w.pth"}.items():
        assert path.is_absolute()
        assert path.resolve() == folder / name
    assert Path(recipe.data.options["parts"][0]["root"]).resolve() == folder / "there"
    assert recipe.data.options["parts"][1]["root"] is None

    given = {"data.root": "data", "network.weights": "w.pth", "data.options.parts": [{"name": "x", "root": "there"}]}
    recipe = load_recipe(file, given)
    assert recipe.data.root == tmp_path / "here/data"
    assert recipe.network.weights == str(tmp_path / "here/w.pth")
    assert recipe.data.options["parts"] == [{"name": "x", "root": str(tmp_path / "here/there")}]
    assert given["data.options.parts"] == [{"name": "x", "root": "there"}]

    values["network"]["weights"] = "local-dir:vit"
    file.write_text(yaml.safe_dump(values))
    for given, parent in ({}, folder), ({"network.weights": "local-dir:vit"}, tmp_path / "here"):
        assert load_recipe(file, given).network.weights == f"local-dir:{parent / 'vit'}"

    again = tmp_path / "recipe.yaml"
    again.write_text(dump_recipe(recipe))
    assert load_recipe(again) == recipe
    for weights in ("none", "pretrained", "hf-hub:timm/resnet18.a1_in1k"):
        assert load_recipe(file, {"network.weights": weights}).network.weights == weights
