"""What a file holds beside its tensors, under which names it wraps them, and how large it may be."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from afanet import InputError
from afanet.networks.weights import fill, read_state_dict

STATE = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
OTHER = {name: tensor + 1 for name, tensor in STATE.items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.pth"


@pytest.mark.parametrize(
    ("content", "wrapper"),
    [
        ({"state_dict": STATE}, "state_dict"),
        ({"model": STATE, "optimizer": {"state": {0: OTHER}, "param_groups": []}}, "model"),
        ({"epoch": 3, "model_state_dict": STATE, "loss": torch.ones(1)}, "model_state_dict"),
        ({"teacher": STATE, "student": OTHER}, "teacher"),
        ({"student": STATE}, "student"),
        ({"model": OTHER, "model_ema": STATE}, "model_ema"),
        ({"epoch": 3, "net": STATE}, "net"),
        ({"model": {"state_dict": STATE}}, "model.state_dict"),
        ({"state_dict": {"model": {"teacher": STATE, "student": OTHER}}}, "state_dict.model.teacher"),
        ({"model": {"name": "linear", "layers": 1}, "state_dict": STATE}, "state_dict"),
        ({"state_dict": {}, "model": STATE}, "model"),
        ({"a\x1b[2K\nb": STATE}, "a\\x1b[2K\\nb"),
    ],
)
def test_the_tensors_are_taken_from_what_wraps_them_and_its_name_is_said(
    file: Path, content: object, wrapper: str
) -> None:
    torch.save(content, file)
    linear = nn.Linear(3, 2)
    report = fill(linear, "linear", str(file))
    assert all(torch.equal(tensor, STATE[name]) for name, tensor in linear.state_dict().items())
    assert report.line() == (
        f"linear: 2 of 2 tensors loaded from file.pth (its {wrapper}), missing: none, unused: none"
    )


def nested(depth: int) -> object:
    """Mappings in mappings, many times the same one, in which a search without memory would not end."""
    inner: dict[str, object] = {}
    for _ in range(depth):
        inner = {f"a{i}": inner for i in range(1000)}
    return {"model": inner}


def in_itself() -> object:
    content: dict[str, object] = {"model": {}}
    content["model"] = content
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state_dict": STATE, "model": OTHER}, "holds tensors under 'state_dict, model': save those under one name"),
        ({"encoder": STATE, "target_encoder": OTHER}, "holds tensors under 'encoder, target_encoder': save those"),
        ({"state_dict": {}}, r"holds none of the tensors of 'linear' \(its 'state_dict' is empty\): expected its"),
        ({"state_dict": {"model": {}}}, r"holds none of the tensors of 'linear' \(its 'state_dict.model' is empty\)"),
        ({"state_dict": {"epoch": 3}}, "holds int under 'epoch': expected tensors by name"),
        (nested(4), "holds dict under 'a0': expected tensors by name"),
        (in_itself(), "holds dict under 'model': expected tensors by name"),
        ({"weight": torch.ones(1).expand(10**6, 10**6)}, "holds fewer values under 'weight' than its tensor has"),
    ],
)
def test_what_holds_no_tensors_or_several_networks_is_refused(file: Path, content: object, said: str) -> None:
    torch.save(content, file)
    with pytest.raises(InputError, match=f"file.pth {said}") as refused:
        fill(nn.Linear(3, 2), "linear", str(file))
    assert len(str(refused.value)) < 400


def test_a_file_that_unpacks_to_more_than_it_has_is_refused(file: Path, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(10**6)}, tmp_path / "stored.pth")
    with (
        zipfile.ZipFile(tmp_path / "stored.pth") as stored,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in stored.infolist():
            packed.writestr(entry.filename, stored.read(entry))
    with pytest.raises(InputError, match=r"file.pth has \d,\d+ bytes but unpacks to 4,000,\d+: expected a file of"):
        read_state_dict(file)


def test_files_and_numbers_of_tensors_are_limited(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many: dict[str, Tensor] = dict.fromkeys(map(str, range(9)), torch.ones(1))
    torch.save(many, file)
    assert len(read_state_dict(file)) == 9
    monkeypatch.setattr("afanet.networks.weights.read.MOST_TENSORS", 8)
    with pytest.raises(InputError, match=r"file.pth holds 9 tensors, expected at most 8"):
        read_state_dict(file)
    monkeypatch.setattr("afanet.networks.weights.read.memory", lambda: 1000)
    with pytest.raises(InputError, match=r"file.pth has [\d,]+ bytes, expected at most 1,000"):
        read_state_dict(file)
