"""Fusion layers learn at the method's own rate, and a run that an older version began goes on with what it had."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric

from afanet.errors import InputError
from afanet.fusion import NDDR, CrossStitch
from afanet.networks import create_network
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import for_method
from afanet.runs.setup import open_tasks
from afanet.training.learner import Learner
from afanet.training.loaders import train_loader
from afanet.training.run import train

Small = Callable[..., Recipe]


def rates(folder: Path) -> set[float]:
    with (folder / "log.csv").open() as stream:
        return {round(float(row["lr/fusion"]) / float(row["lr/backbone"]), 6) for row in csv.DictReader(stream)}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("method", "keys", "factor"),
    [
        ("cross_stitch", {}, 100),
        ("nddr", {}, 100),
        ("afa", {}, 1),
        ("afa", {"optimizer.head": 3}, 3),
        ("nddr", {"optimizer.fusion": 2}, 2),
    ],
)
def test_the_log_says_at_which_rate(
    method: str, keys: dict[str, float], factor: float, small: Small, tmp_path: Path
) -> None:
    train(small(**{"network.method": method, "epochs": 1} | keys), tmp_path / "run")
    assert rates(tmp_path / "run") == {factor}


@pytest.mark.usefixtures("tiny")
def test_a_run_that_began_at_another_factor_goes_on_with_it(small: Small, tmp_path: Path) -> None:
    keys = {"network.method": "cross_stitch", "epochs": 1}
    older = train(small(**keys | {"optimizer.fusion": 1}), tmp_path / "run")
    older.folder.metrics.unlink()
    resumed = train(small(**keys), tmp_path / "run", resume=True)
    assert resumed.recipe.optimizer.fusion == 1
    assert rates(tmp_path / "run") == {1}
    with pytest.raises(InputError, match=r"has optimizer.fusion 1.0, but now it is 5.0"):
        train(small(**keys | {"optimizer.fusion": 5}), tmp_path / "run", resume=True)


def test_a_comparison_gives_each_method_its_own() -> None:
    recipes = {method: for_method(load_recipe("rooms"), method) for method in ("afa", "cross_stitch")}
    assert {recipe.optimizer.fusion for recipe in recipes.values()} == {None}
    given = for_method(load_recipe("rooms", {"optimizer.fusion": 3}), "cross_stitch")
    assert given.optimizer.fusion == 3


def learner(method: str, recipe: Recipe) -> Learner:
    torch.manual_seed(0)
    _, tasks = open_tasks(recipe)
    outputs = {name: task.output for name, task in tasks.items()}
    network = create_network(method, outputs, "test_resnet", size=recipe.data.size)
    made = Learner(Fabric(accelerator="cpu"), network, tasks, recipe, 4)
    made.train()
    return made


def test_cross_stitch_weights_move(small: Small) -> None:
    moved = {}
    for fusion in (None, 1):
        recipe = small(**{"network.method": "cross_stitch", "optimizer.fusion": fusion, "schedule.warmup": 0})
        made = learner("cross_stitch", recipe)
        stitches = [layer.alpha for layer in made.network.modules() if isinstance(layer, CrossStitch)]
        before = torch.cat([alpha.detach().flatten() for alpha in stitches])
        data, _ = open_tasks(recipe)
        made.learn([next(iter(train_loader(data, recipe)))])
        moved[fusion] = float((torch.cat([alpha.detach().flatten() for alpha in stitches]) - before).abs().mean())
    assert moved[None] == pytest.approx(100 * moved[1], rel=0.01)


def test_an_older_checkpoint_keeps_the_momentum_that_its_norms_had(small: Small) -> None:
    recipe = small(**{"network.method": "nddr"})
    made = learner("nddr", recipe)

    def momenta(of: Learner) -> set[float]:
        layers = [layer for layer in of.network.modules() if isinstance(layer, NDDR)]
        assert layers
        return {norm.momentum for layer in layers for norm in layer.norms}

    state = made.state()
    assert momenta(made) == {0.05}
    older = {key: value for key, value in state.items() if key != "nddr_momentum"}
    made.load_state(older)
    assert momenta(made) == {0.1}
    again = learner("nddr", recipe)
    again.load_state(made.state())
    assert momenta(again) == {0.1}
    again.load_state(state)
    assert momenta(again) == {0.05}
