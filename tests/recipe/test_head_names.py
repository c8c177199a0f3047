"""A recipe names one head for all tasks, or one for each, in a file and by flags."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from afanet import InputError
from afanet.cli import main
from afanet.recipe.code import references
from afanet.recipe.load import change_recipe, dump_recipe, load_recipe, older_values
from afanet.recipe.network import NetworkRecipe
from afanet.recipe.schema import recipe_keys

BY_TASK = {"depth": "dpt", "normals": "mine.py:Mine"}


def test_names_by_task_are_read_changed_and_written(tmp_path: Path) -> None:
    recipe = load_recipe("rooms", {"network.head": dict(BY_TASK)})
    assert recipe.network.head == {"depth": "dpt", "normals": f"{Path.cwd() / 'mine.py'}:Mine"}
    assert references(recipe) == [f"{Path.cwd() / 'mine.py'}:Mine"]
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    changed = change_recipe(recipe, {"network.head.depth": "fpn"}, "a flag")
    assert changed.network.head == {"depth": "fpn", "normals": f"{Path.cwd() / 'mine.py'}:Mine"}


def test_a_flag_for_one_task_needs_no_section() -> None:
    recipe = load_recipe("rooms")
    assert recipe.network.head is None
    assert change_recipe(recipe, {"network.head.depth": "mlp"}, "a flag").network.head == {"depth": "mlp"}


@pytest.mark.parametrize(("head", "expected"), [("linear", None), ("deeplab", "deeplab"), (None, None)])
def test_linear_of_an_older_run_is_pooled_alone(head: str | None, expected: str | None, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    text = dump_recipe(load_recipe("rooms", {"network.head": head}))
    file.write_text(text)
    assert load_recipe(file, older_values(file)).network.head == head
    file.write_text("".join(line for line in text.splitlines(True) if line.strip() != "taps: null"))
    assert load_recipe(file, older_values(file)).network.head == expected


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"network.head": 3}, "'network.head' is 3, which should be one name for all tasks, or a mapping"),
        ({"network.head": ["dpt"]}, r"'network.head' is \['dpt'\], which should be one name for all tasks"),
        ({"network.head.depth": 3}, r"'network.head' is \{'depth': 3\}, which should be one name for all tasks"),
        ({"network.head": "dpt", "network.head.depth": "mlp"}, "'network.head' is 'dpt', expected a section with"),
    ],
)
def test_what_is_no_head_is_refused_in_one_sentence(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_recipe("rooms", overrides)


def test_the_key_describes_the_rows() -> None:
    text = recipe_keys()["network.head"]
    assert "deeplabv3plus, dpt, mlp, mlp64, fpn or linear for dense outputs, linear for pooled ones" in text
    assert NetworkRecipe(method="afa", backbone="resnet18", head="deeplab").head == "deeplab"  # the earlier name
    with pytest.raises(ValidationError):
        NetworkRecipe(method="afa", backbone="resnet18", head=True)


def test_flags_give_each_task_its_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = (
        "train rooms --network.head.depth fpn --network.head.segmentation linear --backbone test_resnet --size 32 48"
    )
    options = "--data.options.train_scenes 2 --data.options.test_scenes 1 --batch-size 2 --workers 0 --device cpu"
    assert main([*f"{words} {options} --steps 1 --out run".split()]) == 0, capsys.readouterr().err
    assert load_recipe("run/recipe.yaml").network.head == {"depth": "fpn", "segmentation": "linear"}
    assert main(["evaluate", "run"]) == 0
    capsys.readouterr()
    assert main([*f"{words} {options} --network.head.dept mlp --out other".split()]) == 2
    assert "unknown task under head 'dept', did you mean 'depth'" in capsys.readouterr().err
    assert not Path("other").exists()
