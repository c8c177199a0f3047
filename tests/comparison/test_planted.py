"""Planted cases: what tasks are worth to each other is known beforehand, and the commands have to say it.

Handwritten digits, labelled four times over: `digit` and `twin` are the digit, `noise` is a random number, and `blind`
is the digit again, for a branch that sees nothing. Its weights begin at zero, where ReLUs pass no gradient, so that
they stay there, and whatever the task knows it has of others. Images and networks are tiny; all follows from `SEED`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binom
from sklearn.datasets import load_digits

from afanet.cli.main import main
from afanet.fusion.meetings import fusion_layers
from afanet.runs.examples import read_test_samples
from afanet.runs.loaded import TaskPredictor
from afanet.runs.run import load_run
from afanet.runs.setup import open_tasks

from ..weights import Weights, change_weights, weights_of

SEED, SEEDS = 0, 3
CLASSES, TRAINING, TESTING = 10, range(240), range(1437, 1737)
TASKS = ("digit", "twin", "noise", "blind")
LAYER = "backbone.layer4.0"  # the one at which branches of this network meet

Found = dict[str, Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with images, table and recipe, and commands that measure no costs and draw 200 times for an interval."""
    root, bundled, rng = tmp_path_factory.mktemp("planted"), load_digits(), np.random.default_rng(SEED)
    folder = root / "images"
    folder.mkdir()
    rows = [["image", "split", *TASKS]]
    for number in (*TRAINING, *TESTING):
        Image.fromarray((bundled.images[number] * 255 / 16).round().astype(np.uint8)).save(folder / f"{number}.png")
        digit, noise = bundled.target[number], rng.integers(CLASSES)
        rows.append([f"{number}.png", "train" if number in TRAINING else "test", digit, digit, noise, digit])
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    tasks = {name: {"kind": "classification", "classes": list(map(str, range(CLASSES)))} for name in TASKS}
    data = {"name": "manifest", "root": str(folder), "size": [16, 16], "options": {"augment": False, "tasks": tasks}}
    recipe = {
        "name": "planted",
        "data": data,
        "network": {"method": "afa", "backbone": "test_resnet", "output_stride": 8},
        "optimizer": {"name": "adamw", "lr": 0.003, "weight_decay": 0.01},
        "schedule": {"name": "cosine", "warmup": 0.1},
        **{"epochs": 6, "batch_size": 20, "seed": SEED, "workers": 0, "device": "cpu", "precision": "float32"},
    }
    (root / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr("afanet.comparison.costs.measure_costs", lambda groups: None)
        patch.setattr("afanet.comparison.images.RESAMPLES", 200)
        patch.setenv("AFANET_CACHE", str(root / "cache"))
        assert main(["data", "prepare", "recipe.yaml"]) == 0
        yield root


def do(command: str, tasks: str, out: str, *words: str) -> None:
    assert main([command, "recipe.yaml", "--tasks", *tasks.split(), "--out", out, *words]) == 0


def begin(tasks: str, out: str) -> None:
    """Single-task networks after a step: `blind` with a backbone of zeros, `twin` a copy of `digit`."""
    do("train", tasks, out, "--method", "single", "--steps", "1")

    def planted(weights: Weights) -> None:
        for name, tensor in weights.items():
            if name.startswith("branches.blind.backbone."):
                tensor.zero_()
            elif name.startswith("branches.twin."):
                tensor.copy_(weights[name.replace("twin", "digit")])

    change_weights(Path(out), planted)


def sees_nothing(folder: str) -> bool:
    """Whether the blind branch is what it began as, but for its head and a count."""
    moved = [name for name, one in weights_of(Path(folder)).items() if ".blind.backbone." in name and one.any()]
    return bool(moved) and all(name.endswith("num_batches_tracked") for name in moved)


def inspect(folder: str) -> dict[tuple[str, str], Found]:
    """The connections of `inspect.json`, measured on all test images, by the tasks to and from which they go."""
    assert main(["inspect", folder, f"images/{TESTING[0]}.png", "--limit", str(len(TESTING))]) == 0
    rows = json.loads(Path(folder, "inspect.json").read_text())["connections"]
    return {(row["to"], row["source"]): row for row in rows if row["layer"] == LAYER}


def verdict(change: Found) -> str:
    return "▲" if change["low"] > 0 else "▼" if change["high"] < 0 else "≈"


def guesses() -> list[float]:
    """The accuracies that one answer to all test images can have."""
    return [count / len(TESTING) for count in np.bincount(load_digits().target[list(TESTING)])]


@pytest.fixture(scope="module")
def rows(place: Path) -> dict[str, Found]:
    """Digit, noise and blind, alone and together: the rows of `comparison.json` by title."""
    begin("digit noise blind", "start")
    variants = {method: {"network.method": method, "warm_start": ["start"]} for method in ("single", "afa")}
    Path("variants.yaml").write_text(yaml.safe_dump(variants))
    do("compare", "digit noise blind", "joint", "--variants", "variants.yaml", "--seeds", str(SEEDS))
    return {row["title"]: row for row in json.loads(Path("joint/comparison.json").read_text())["rows"]}


@pytest.mark.slow
def test_noise_is_learnt_by_nobody_and_nothing_is_worth_anything_to_it(rows: dict[str, Found]) -> None:
    low, high = binom.interval(1 - 1e-6, len(TESTING), 1 / CLASSES)
    for row in rows.values():
        assert all(low <= len(TESTING) * one <= high for one in row["scores"]["noise"]["accuracy"]["values"])
    # Accuracy alone: F1 over the classes is higher for whoever guesses more of them.
    said = [verdict(rows["afa"]["changes"]["noise"]["accuracy"])]
    for seed in range(SEED, SEED + SEEDS):
        for (to, _), row in inspect(f"joint/afa-seed{seed}").items():
            said += [verdict(row["changes"]["noise"])] if to == "noise" else []
    assert len(said) == 1 + 2 * SEEDS
    assert said.count("≈") >= len(said) - 2  # by chance some are not, see docs/comparing.md


@pytest.mark.slow
def test_who_is_blind_alone_is_clearly_better_beside_who_sees(rows: dict[str, Found]) -> None:
    assert set(rows["single"]["scores"]["blind"]["accuracy"]["values"]) <= set(guesses())
    change = rows["afa"]["changes"]["blind"]["accuracy"]
    assert change["over"] == "seeds and images"
    assert change["low"] > 0.3  # clearly better
    assert change["p_holm"] < 0.05
    assert all(sees_nothing(f"joint/afa-seed{seed}") for seed in range(SEED, SEED + SEEDS))


def test_cut_from_who_sees_the_blind_guess_and_cut_from_the_blind_nobody_loses(place: Path) -> None:
    begin("digit blind", "pair-start")
    do("train", "digit blind", "pair", "--warm-start", "pair-start")
    assert sees_nothing("pair")
    found = inspect("pair")
    assert (found["digit", "blind"]["share"], found["blind", "digit"]["share"]) == (0, 1)
    needed = found["blind", "digit"]["changes"]["blind"]
    whole = json.loads(Path("pair/metrics.json").read_text())["tasks"]["blind"]["accuracy"]
    assert needed["high"] < -0.3  # clearly worse
    assert any(whole + needed["mean"] == pytest.approx(one) for one in guesses())
    assert verdict(found["digit", "blind"]["changes"]["digit"]) == "≈"


def test_equal_tasks_from_an_equal_start_stay_equal_and_no_cut_changes_anything(place: Path) -> None:
    begin("digit twin", "twins-start")
    do("train", "digit twin", "twins", "--warm-start", "twins-start")
    weights = weights_of(Path("twins"))
    learnt = [name for name in weights if name.startswith("network.branches.digit.")]
    assert all(torch.equal(weights[name], weights[name.replace("digit", "twin")]) for name in learnt)
    scores = json.loads(Path("twins/metrics.json").read_text())["tasks"]
    assert scores["digit"] == scores["twin"]
    found = inspect("twins")
    assert found["digit", "twin"]["share"] == found["twin", "digit"]["share"] > 0
    for row in found.values():
        assert all(set(map(change.get, ("mean", "low", "high"))) == {0} for change in row["changes"].values())


def test_shares_are_what_the_paper_s_equations_make_of_the_features(place: Path) -> None:
    do("train", "digit twin noise", "three", "--steps", "6")
    run = load_run(Path("three"))
    data, tasks = open_tasks(run.recipe)
    predictor, met = TaskPredictor(run, tasks), []
    layer = fusion_layers(predictor.network)[LAYER]
    layer.register_forward_pre_hook(lambda _, inputs: met.append([x.double().numpy() for x in inputs[0]]))
    predictor.answer(read_test_samples(data, tasks, range(len(TESTING)))["image"])
    shares = mean_shares(np.stack(met[0], 1), {name: one.double().numpy() for name, one in layer.state_dict().items()})
    for (to, source), row in inspect(str(run.folder.path)).items():
        assert row["share"] == pytest.approx(shares[list(tasks).index(to), list(tasks).index(source)], rel=1e-5)


def mean_shares(x: NDArray[np.float64], weights: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """(to, from), of magnitudes (images, tasks, C, H, W): CAM, then SAM, each a softmax over own and other."""
    images, tasks = x.shape[:2]
    g = np.maximum(x.mean((3, 4)).reshape(images, -1) @ weights["cam.W.weight"].T, 0)
    channel = spread_out(g, weights["cam.P"], tasks)  # (images, to, from, C)
    mixed = np.einsum("bijc,bjchw->bichw", channel, x).mean(2)
    padded, kernel = np.pad(mixed, ((0, 0), (0, 0), (3, 3), (3, 3))), weights["sam.conv.weight"][0]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), (2, 3))
    g = np.maximum(np.einsum("bnhwij,nij->bhw", windows, kernel), 0).reshape(images, -1)
    spatial = spread_out(g, weights["sam.Q"], tasks)  # (images, to, from, pixels)
    given = np.einsum("bikp,bkjc,bjcp->bij", spatial, channel, np.abs(x).reshape(*x.shape[:3], -1))
    return (given / given.sum(2, keepdims=True)).mean(0)


def spread_out(g: NDArray[np.float64], pair: NDArray[np.float64], tasks: int) -> NDArray[np.float64]:
    """Weights (images, to, from, gates): what softmax leaves to the others is shared evenly among them."""
    own, other = np.exp(g @ pair[0].T), np.exp(g @ pair[1].T)
    keep, eye = own / (own + other), np.eye(tasks)[None, :, :, None]
    return eye * keep[:, None, None] + (1 - eye) * (1 - keep)[:, None, None] / (tasks - 1)
