"""The weights of a run in a file of their own: as the network has them, whole, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.runs.run import Run, load_run
from afanet.runs.weights import KEY, load_weights, read_weights, save_weights
from afanet.training.run import train

from ..weights import change_weights

Small = Callable[..., Recipe]


class Sharing(nn.Module):
    """Layers that share a norm, with an empty buffer, a scalar, and one that lies in memory by its channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)
        self.third = self.first
        self.fourth = nn.Linear(3, 3, bias=False)
        self.fourth.weight = nn.Parameter(torch.rand(3, 3).t())
        self.register_buffer("empty", torch.zeros(0))
        self.register_buffer("also", torch.zeros(0))
        self.to(memory_format=torch.channels_last)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_weights(tmp_path / "weights.safetensors", Sharing().state_dict())
    return tmp_path / "weights.safetensors"


def test_every_tensor_comes_back_bit_for_bit_and_what_layers_share_is_kept_once(tmp_path: Path) -> None:
    network, other, file = Sharing(), Sharing(), tmp_path / "weights.safetensors"
    save_weights(file, network.state_dict())
    assert {name for name in load_file(file) if "third" in name} == set()
    read = read_weights(file)
    assert list(read) == list(network.state_dict())
    load_weights(other, file)
    assert all(torch.equal(other.state_dict()[name], tensor) for name, tensor in network.state_dict().items())
    assert other.third is other.first


def test_a_run_keeps_the_weights_that_are_scored_and_drops_what_its_optimiser_learnt(
    tiny: None, small: Small, tmp_path: Path
) -> None:
    runs = [train(small(keep_optimizer=keep, **{"optimizer.ema": 0.5}), tmp_path / str(keep)) for keep in (True, False)]
    kept, dropped = (read_checkpoint(run.folder.checkpoint) for run in runs)
    for run, saved in zip(runs, (kept, dropped), strict=True):
        weights = load_file(run.folder.scored)
        assert {f"network.{name}" for name in weights} == saved["state_dict"].keys()
        assert all(torch.equal(saved["state_dict"][f"network.{name}"], tensor) for name, tensor in weights.items())
    assert kept["training"]["learner"]["optimizer"]["state"]
    assert not dropped["training"]["learner"]["optimizer"]["state"]
    assert kept["training"].keys() == dropped["training"].keys()
    assert runs[0].scores == runs[1].scores


@pytest.fixture
def run(tiny: None, recipe: Recipe, tmp_path: Path) -> Run:
    return train(recipe, tmp_path / "run")


def test_readers_prefer_the_file_and_take_the_checkpoint_of_an_older_run(run: Run) -> None:
    expected = run.weights()
    change_weights(run.path, lambda weights: weights | {"fusion.meet": torch.ones(2, 2)})
    assert torch.equal(load_run(run.path).network().state_dict()["fusion.meet"], torch.ones(2, 2))
    run.folder.scored.unlink()
    older = load_run(run.path).weights()
    assert older.keys() == expected.keys()
    assert all(torch.equal(older[name], tensor) for name, tensor in expected.items())


def test_a_run_that_goes_on_is_read_from_its_checkpoint_whatever_file_is_left(run: Run) -> None:
    change_weights(run.path, lambda weights: weights | {"fusion.meet": torch.ones(2, 2)})
    run.folder.metrics.unlink()
    assert run.folder.weights(run.recipe) == run.folder.checkpoint


def test_a_finished_run_trains_nothing_and_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    capsys.readouterr()
    again = train(run.recipe, run.path, resume=True)
    assert capsys.readouterr().err == f"{run.path} has finished: there is nothing left to train\n"
    assert again.results == run.results
    assert {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()} == before


def test_a_finished_run_without_its_scores_is_scored_again(run: Run) -> None:
    scores = run.scores
    run.folder.metrics.unlink()
    assert train(run.recipe, run.path, resume=True).scores == scores


@pytest.mark.parametrize("length", [0, 7, 8, 100, -1])
def test_a_file_cut_short_is_refused(length: int, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(
        InputError, match=r"weights\.safetensors is not a file of a network's weights, or it is cut short"
    ):
        read_weights(file)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (None, "its metadata have no 'afanet'"),
        ("[]", "its metadata have no 'afanet'"),
        ("{", "the metadata of .* is not JSON"),
        ('{"format": 2}', "in format 2, expected 1: a newer version"),
        ('{"format": 1}', "have None as 'names'"),
        ('{"format": 1, "names": {"x": ["a"]}}', "as 'names'"),
        ('{"format": 1, "names": {}}', "'a' is only in its tensors"),
        ('{"format": 1, "names": {"a": "a", "b": "b"}}', "'b' is only in its metadata"),
    ],
)
def test_a_file_of_somebody_else_is_refused(about: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({"a": torch.ones(2)}, file, None if about is None else {KEY: about})
    with pytest.raises(InputError, match=message):
        read_weights(file)


def test_weights_of_another_network_and_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    file, network = tmp_path / "weights.safetensors", nn.Linear(3, 2)
    before = network.weight.clone()
    for other, message in (
        ({"weight": torch.ones(2, 4), "bias": torch.ones(2)}, r"than the recipe\.yaml beside it: 'weight' is \(2, 4\)"),
        ({"weight": torch.ones(2, 3)}, "'bias', only in the recipe's network"),
        ({"weight": torch.ones(2, 3).half(), "bias": torch.ones(2)}, "'weight' is torch.float16"),
        ({"weight": torch.full((2, 3), torch.inf), "bias": torch.ones(2)}, r"are not finite \('weight'\)"),
    ):
        save_weights(file, other)
        with pytest.raises(InputError, match=message):
            load_weights(network, file)
    assert torch.equal(network.weight, before)


def test_a_file_that_cannot_be_written_leaves_the_one_before(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file.read_bytes()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("afanet.networks.tensors_file.save_file", full)
    with pytest.raises(InputError, match="No space left"):
        save_weights(file, Sharing().state_dict())
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
