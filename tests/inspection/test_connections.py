"""Planted cases: a task that is noise, and one that equals another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from afanet import AFA, CrossStitch, weave
from afanet.comparison.images import ImageScores
from afanet.comparison.statistics import bootstrap_changes
from afanet.data import Data
from afanet.fusion import Fusion, cut_connection
from afanet.fusion.meetings import fusion_layers
from afanet.inspection.connections import Cut, Reading, inspect_connections, read_layers, to_cut
from afanet.recipe.load import load_recipe
from afanet.report.connections import connections
from afanet.runs.examples import read_test_samples
from afanet.runs.loaded import TaskPredictor
from afanet.runs.run import load_run
from afanet.runs.setup import open_tasks
from afanet.tasks import Classification
from afanet.training.run import train

N = 300


class Branch(nn.Module):
    """Features of an image: its two channels' means; answers by the one that a head looks at."""

    def __init__(self, sees: float) -> None:
        super().__init__()
        self.features = nn.Conv2d(2, 1, 1, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.tensor([sees, 0.0]).reshape(1, 2, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        level = self.features(image).mean((2, 3))
        return torch.cat([-level, level], 1)


def scored(network: nn.Module, images: Tensor, truth: Tensor) -> dict[str, ImageScores]:
    found = {}
    with torch.no_grad():
        for name, logits in network(images).items():
            task = Classification(name, ["n", "y"])
            found[name] = ImageScores(task)
            found[name].update(task.predict(logits), truth)
    return found


def test_cutting_what_a_task_lives_on_hurts_and_cutting_what_it_has_does_not() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(2, (N,), generator=generator)
    images = (2.0 * truth - 1)[:, None, None, None] + 0.1 * torch.randn(N, 2, 4, 4, generator=generator)
    # "blind" sees nothing of its own and lives on what it takes of "seeing"; "twin" sees the same as "seeing"
    branches = {"seeing": Branch(1.0), "blind": Branch(0.0), "twin": Branch(1.0)}
    network = weave(branches, ["features"], CrossStitch, example=(1, 2, 4, 4)).eval()
    whole = scored(network, images, truth)
    cuts = {}
    for to, source in [(1, 0), (1, 2), (2, 0), (0, 1)]:
        with cut_connection(network, "features", to, source):
            found = scored(network, images, truth)
        cuts[to, source] = {
            name: bootstrap_changes(found[name], whole[name])["accuracy"] for name in ("seeing", "blind", "twin")
        }
    with cut_connection(network, "features", 1, 0), cut_connection(network, "features", 1, 2):
        alone = scored(network, images, truth)
    assert whole["blind"].compute()["accuracy"] > 0.99
    assert cuts[1, 0]["blind"].mean == 0  # the twin still tells
    assert cuts[2, 0]["twin"].mean == 0  # it takes of the other what it has itself
    assert not cuts[0, 1]["seeing"].clear  # nothing was to be had of the blind
    assert alone["blind"].compute()["accuracy"] <= 0.6  # which has nothing left when both are cut


def test_equal_tasks_lose_nothing_by_any_cut_of_afa() -> None:
    torch.manual_seed(0)
    branches = {"one": Branch(1.0), "other": Branch(1.0)}
    network = weave(branches, ["features"], AFA, example=(1, 2, 4, 4)).eval()
    images = torch.randn(5, 2, 4, 4)
    with torch.no_grad():
        whole = network(images)
        with cut_connection(network, "features", 0, 1):
            cut = network(images)
    torch.testing.assert_close(cut["one"], whole["one"])


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[TaskPredictor, Data]:
    """A cross-stitch network that was trained for one step."""
    keys = {
        "network.method": "cross_stitch",
        "network.backbone": "test_resnet",
        "network.output_stride": 16,
        "data.size": [32, 48],
        "data.options.train_scenes": 4,
        "data.options.test_scenes": 6,
        "steps": 1,
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
    }
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(load_recipe("rooms", keys), folder)
    run = load_run(folder)
    data, tasks = open_tasks(run.recipe)
    return TaskPredictor(run, tasks), data


def test_what_is_read_over_the_split_is_what_the_images_say(
    opened: tuple[TaskPredictor, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 5)
    predictor, data = opened
    layers = fusion_layers(predictor.network)
    first = next(iter(layers))
    with torch.no_grad():  # segmentation takes nothing of depth at the first layer
        layers[first].get_parameter("alpha")[0, 1] = 0
    result = inspect_connections(predictor, data, limit=5)  # in batches of four and one
    assert (result.images, result.total) == (5, 6)
    chosen = read_test_samples(data, predictor.tasks, [0, 1, 2, 3, 5])["image"]
    for layer, one in read_layers(predictor, chosen)[1].items():
        torch.testing.assert_close(result.readings[layer].flow, one.flow)
        torch.testing.assert_close(result.readings[layer].kept, one.kept)
        assert one.flow.shape == (5, 2, 2)
    assert result.readings[first].flow[:, 0].tolist() == [[1, 0]] * 5
    assert len(result.cuts) == 2 * len(layers)
    [nothing] = [cut for cut in result.cuts if (cut.layer, cut.to) == (first, "segmentation")]
    assert all(change.mean == change.low == change.high == 0 for change in nothing.changes.values())
    assert any(change.mean != 0 for cut in result.cuts for change in cut.changes.values())


def test_of_too_many_connections_the_strongest_are_cut(
    opened: tuple[TaskPredictor, Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 5)
    monkeypatch.setattr("afanet.inspection.connections.EFFECTS", 6)
    predictor, data = opened
    result = inspect_connections(predictor, data, limit=2)
    shares = {
        (layer, to, 1 - to): one.flow.mean(0)[to, 1 - to].item()
        for layer, one in result.readings.items()
        for to in (0, 1)
    }
    names = list(predictor.tasks)
    cut = [(one.layer, names.index(one.to), names.index(one.source)) for one in result.cuts]
    assert len(cut) == 3
    assert min(shares[one] for one in cut) >= max(share for one, share in shares.items() if one not in cut)


class CutOnly(Fusion):
    """A layer that says no gates, and whose connections can be cut all the same."""

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [sum(xs[1:], xs[0]) / len(xs)] * len(xs)

    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        return list(self(xs))


def test_connections_without_gates_are_cut_and_their_shares_unknown() -> None:
    layers: dict[str, Fusion] = {"gated": CrossStitch(4), "plain": CutOnly(4)}
    readings = {"gated": Reading(torch.tensor([[[0.9, 0.1], [0.4, 0.6]]]), None)}
    expected = [("gated", 0, 1), ("gated", 1, 0), ("plain", 0, 1), ("plain", 1, 0)]
    assert to_cut(nn.ModuleDict(layers), readings, 9) == expected
    assert to_cut(nn.ModuleDict(layers), readings, 3) == expected[:3]
    cuts = [Cut("plain", "b", "a", {})]
    assert [row["share"] for row in connections(readings, cuts, ["a", "b"])] == [
        pytest.approx(0.1),
        pytest.approx(0.4),
        None,
    ]
