"""Planted cases: a layer whose gates an image needs, one whose gates are the same for all, and one that is dead."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from afanet import AFA, CrossStitch, Fusion, InputError, weave
from afanet.data import Data
from afanet.fusion.meetings import fusion_layers
from afanet.inspection.constant import AS_WELL, ConstantGates, conclusion, inspect_constant
from afanet.inspection.gates import GateFacts, GateSums, gate_facts
from afanet.runs.loaded import TaskPredictor
from afanet.tasks import Classification

TASKS = {name: Classification(name, ["n", "y"]) for name in ("left", "right")}
N = 60


class Louder(Fusion):
    """Every task takes the features of the branch whose second channel says so, and nothing of the other."""

    mixes_by_gates = True

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        says = torch.stack([x[:, 1].mean((1, 2)) for x in xs], 1)
        return {"channel": (says > 0).double()[:, None, :, None, None, None].repeat(1, 2, 1, 2, 1, 1)}

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return list((self.gates(xs)["channel"] * torch.stack(list(xs), 1)[:, None]).sum(2).float().unbind(1))


def branch(sees: int) -> nn.Module:
    """Features are a value and a cue, the first or last two channels of an image; the answer is the value's sign."""
    features, head = nn.Conv2d(4, 2, 1, bias=False), nn.Conv2d(2, 2, 1, bias=False)
    with torch.no_grad():
        features.weight.copy_(torch.eye(4)[2 * sees : 2 * sees + 2, :, None, None])
        head.weight.copy_(torch.tensor([[-1.0, 0.0], [1.0, 0.0]])[..., None, None])
    layers = OrderedDict(features=features, head=head, pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten())
    return nn.Sequential(layers)


class Predictor:
    """What `inspect_constant` needs of a run's network, without a run."""

    def __init__(self, fusion: type[Fusion]) -> None:
        torch.manual_seed(0)
        branches = {name: branch(number) for number, name in enumerate(TASKS)}
        self.network = weave(branches, ["features"], fusion, example=(1, 4, 3, 3)).eval()
        self.tasks = TASKS
        self.run = SimpleNamespace(path="run", recipe=SimpleNamespace(batch_size=16))

    def answer(self, images: Tensor) -> Mapping[str, Tensor]:
        with torch.no_grad():
            return cast(Mapping[str, Tensor], self.network(images))

    def predict(self, images: Tensor) -> dict[str, Tensor]:
        return {name: TASKS[name].predict(logits) for name, logits in self.answer(images).items()}


def planted() -> Data:
    """The value of one branch is the truth, that of the other one is noise; a cue says which."""
    generator = torch.Generator().manual_seed(0)
    samples = []
    for number in range(N):
        truth, noise, true_branch = torch.randint(2, (3,), generator=generator).tolist()
        values = (truth, noise) if true_branch == 0 else (noise, truth)
        levels = [2.0 * values[0] - 1, 1.0 - 2 * true_branch, 2.0 * values[1] - 1, 2.0 * true_branch - 1]
        image = torch.tensor(levels)[:, None, None].expand(4, 3, 3)
        samples.append({"image": image, "targets": dict.fromkeys(TASKS, torch.tensor(truth)), "id": str(number)})
    return cast(Data, SimpleNamespace(test=samples))


def inspected(predictor: Predictor, limit: int | None = None) -> ConstantGates:
    return inspect_constant(cast(TaskPredictor, predictor), planted(), limit)


def facts_of(predictor: Predictor, limit: int | None = None) -> dict[str, GateFacts]:
    return {facts.kind: facts for facts in gate_facts(cast(TaskPredictor, predictor), planted(), limit)}


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 100)


class Doubled(Louder):
    """Gives twice what its gates say."""

    mixes_by_gates = True
    gates = Louder.gates

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [2 * x for x in super().fuse(xs)]


def test_a_layer_that_does_not_mix_by_its_gates_though_it_says_so_is_refused() -> None:
    with pytest.raises(InputError, match="Doubled says that it mixes by its gates, but when it is given its own gates"):
        inspected(Predictor(Doubled))


def test_where_an_image_needs_its_own_gates_constant_and_exchanged_ones_are_worse() -> None:
    found = inspected(Predictor(Louder))
    assert (found.images, found.total, found.kept) == (N, N, [])
    for name in TASKS:
        assert found.own[name]["accuracy"] == 1
        for replaced in (found.constant, found.exchanged):
            change = replaced.changes[name]["accuracy"]
            assert change.mean == pytest.approx(replaced.scores[name]["accuracy"] - 1)
            assert change.high < -0.1
    assert "With constant gates left accuracy is worse, right accuracy is worse." in conclusion(found, TASKS)
    [facts] = found.facts
    assert facts.below + facts.above == 1
    assert (facts.from_half, facts.units) == (0.5, 0)
    assert (
        facts.between_images > 0.99
    )  # all channels of an image have one gate, and the two branches are equally often true
    assert facts.in_words == "saturated, differs between images"


def test_gates_that_are_the_same_for_all_images_can_be_constant() -> None:
    predictor = Predictor(AFA)
    layer = cast(AFA, fusion_layers(predictor.network)["features"])
    nn.init.zeros_(layer.cam.P)
    nn.init.zeros_(layer.sam.Q)
    found = inspected(predictor, limit=9)
    assert (found.images, found.total) == (9, N)
    for replaced in (found.constant, found.exchanged):
        assert replaced.scores == found.own
        assert all(change.mean == 0 for changes in replaced.changes.values() for change in changes.values())
    assert conclusion(found, TASKS).startswith(AS_WELL)
    for facts in found.facts:
        assert (facts.mean, facts.quantiles, facts.from_half, facts.deviation) == (0.5, (0.5, 0.5, 0.5), 0, 0)
        assert np.isnan(facts.between_images)
        assert facts.in_words == "near one half, alike for all images"


def test_a_relu_that_no_image_passes_is_dead() -> None:
    predictor = Predictor(AFA)
    layer = cast(AFA, fusion_layers(predictor.network)["features"])
    assert not any(facts.dead for facts in facts_of(predictor).values())
    with torch.no_grad():
        layer.cam.W.weight[:5] = 0
        layer.sam.conv.weight.zero_()
    facts = facts_of(predictor)
    assert (facts["spatial"].dead, facts["spatial"].silent, facts["spatial"].units) == (True, 1.0, 9)
    assert facts["spatial"].in_words == "dead"
    assert not facts["channel"].dead
    assert facts["channel"].dead_units >= 5


def test_facts_are_those_of_all_gates_at_once() -> None:
    """Batch by batch, against NumPy over all images together; the second task does not read."""
    rng = np.random.default_rng(0)
    gates = rng.uniform(size=(11, 2, 2, 6, 1, 1)).astype(np.float32)
    hidden = np.maximum(rng.normal(size=(11, 7)), 0).astype(np.float32)
    hidden[:, 2] = 0
    hidden[[1, 5]] = 0
    sums = GateSums([0])
    for start in (0, 4, 8):
        sums.add(torch.from_numpy(gates[start : start + 4]), torch.from_numpy(hidden[start : start + 4]))
    own, facts = gates[:, 0, 0].reshape(11, 6).astype(float), sums.facts("stem", "channel")
    np.testing.assert_allclose(sums.mean[0], gates.mean(0), rtol=1e-6)
    assert facts.mean == pytest.approx(own.mean())
    assert facts.quantiles == pytest.approx(np.quantile(own.mean(0), [0.05, 0.5, 0.95]))
    assert (facts.below, facts.above) == pytest.approx(((own < 0.05).mean(), (own > 0.95).mean()))
    assert facts.from_half == pytest.approx(np.abs(own - 0.5).mean())
    assert facts.deviation == pytest.approx(own.std(0).mean())
    assert facts.between_images == pytest.approx(own.var(0).mean() / own.var())
    assert (facts.units, facts.dead_units, facts.silent) == (7, 1, 2 / 11)


def test_what_cannot_be_asked_is_said_in_a_sentence() -> None:
    said = r"CrossStitch has no gates that can be replaced by constant ones.*mixes_by_gates = True"
    with pytest.raises(InputError, match=said):
        inspected(Predictor(CrossStitch))
    with pytest.raises(InputError, match="at least 2 are needed"):
        inspected(Predictor(AFA), limit=1)


def test_without_labels_nobody_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    unlabelled: Any = SimpleNamespace(test=[sample | {"targets": {}} for sample in cast(Any, planted().test)])
    found = inspect_constant(cast(TaskPredictor, Predictor(AFA)), unlabelled, 4)
    assert conclusion(found, TASKS).startswith("No task has a score on these images")
