"""Planted cases: a task that is noise, and one that equals another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from afanet import AFA, CrossStitch, weave
from afanet.comparison.images import ImageScores
from afanet.comparison.statistics import bootstrap_changes
from afanet.fusion import cut_connection
from afanet.tasks import Classification

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
