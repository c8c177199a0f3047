"""Which files are a checkpoint of a network, and how they are written."""

from __future__ import annotations

import io
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from afanet.errors import InputError
from afanet.runs.checkpoint import read_checkpoint, save_checkpoint
from afanet.runs.weights import load_weights


def test_every_tensor_is_loaded(tmp_path: Path) -> None:
    saved, other = nn.Linear(3, 2), nn.Linear(3, 2)
    torch.save({"state_dict": saved.state_dict()}, tmp_path / "last.ckpt")
    load_weights(other, tmp_path / "last.ckpt")
    assert torch.equal(other.weight, saved.weight)
    assert torch.equal(other.bias, saved.bias)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Linear(3, 2, bias=False), "'bias', only in the recipe's network"),
        (nn.Linear(4, 2), r"'weight' is \(2, 4\), expected \(2, 3\)"),
        (nn.PReLU(), "only in the"),
        (nn.Bilinear(3, 3, 2), r"'weight' is \(2, 3, 3\), expected \(2, 3\)"),
    ],
)
def test_another_network_is_named_by_its_first_difference(other: nn.Module, message: str, tmp_path: Path) -> None:
    torch.save({"state_dict": other.state_dict()}, tmp_path / "last.ckpt")
    network = nn.Linear(3, 2)
    before = network.weight.clone()
    with pytest.raises(InputError, match=message):
        load_weights(network, tmp_path / "last.ckpt")
    assert torch.equal(network.weight, before)


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(content)
    with pytest.raises(InputError, match="not a checkpoint of a training run, or it is damaged"):
        load_weights(nn.Linear(3, 2), tmp_path / "last.ckpt")


@pytest.mark.parametrize("content", [[1, 2], {"weights": {}}, {"state_dict": Path("code")}])
def test_a_file_of_other_things_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(InputError, match="not a checkpoint of a training run"):
        load_weights(nn.Linear(3, 2), tmp_path / "last.ckpt")


@pytest.fixture
def full_disk() -> Iterator[Callable[[int], None]]:
    """No file may grow beyond so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 100, 2000])
def test_a_full_disk_keeps_the_last_good_checkpoint(
    room: int, full_disk: Callable[[int], None], tmp_path: Path
) -> None:
    file, network = tmp_path / "last.ckpt", nn.Linear(100, 100)
    save_checkpoint(file, network, {"step": 1})
    before = file.read_bytes()
    full_disk(room)
    with pytest.raises(InputError, match=r"last\.ckpt cannot be written .*make room and go on with --resume"):
        save_checkpoint(file, network, {"step": 2})
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_full_disk_from_the_start_leaves_nothing(full_disk: Callable[[int], None], tmp_path: Path) -> None:
    full_disk(2000)
    with pytest.raises(InputError, match=r"cannot be written .*; make room$"):
        save_checkpoint(tmp_path / "last.ckpt", nn.Linear(100, 100), {})
    assert not list(tmp_path.iterdir())


def test_an_interrupt_while_writing_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.ckpt", nn.Linear(3, 2), {})
    before = (tmp_path / "last.ckpt").read_bytes()

    class Interrupted(io.BytesIO):
        def write(self, data: object) -> int:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "open", lambda *_: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path / "last.ckpt", nn.Linear(3, 2), {})
    monkeypatch.undo()
    assert (tmp_path / "last.ckpt").read_bytes() == before


@pytest.mark.parametrize(
    "content", [[], {"state_dict": None}, {"state_dict": {"a": "b"}}, {"state_dict": {"a": [[[]]]}}, {}, torch.zeros(2)]
)
def test_a_file_of_torch_that_is_no_checkpoint_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(InputError, match=r"last\.ckpt is not a checkpoint of a training run"):
        read_checkpoint(tmp_path / "last.ckpt")
