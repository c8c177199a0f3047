"""Shards that come late, cut, torn or not at all, and a full disk."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from afanet.data.streams.fetch import ATTEMPTS, fetch_shard
from afanet.data.streams.index import Index, Shard, read_index
from afanet.data.streams.local import LocalShards
from afanet.data.streams.place import Place
from afanet.errors import InputError

from .server import Fault, Served, cut, late, status, torn

NAME = "train-00001.shard"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def fetched(served: Served, tmp_path: Path, lines: list[str]) -> Callable[..., Path]:
    """Fetches one shard through the server after these faults."""

    def fetch(*faults: Fault) -> Path:
        served.faults[NAME] = list(faults)
        place = Place(served.url)
        [shard] = [shard for shard in read_index(place, lines.append).train.shards if shard.name == NAME]
        return LocalShards(place, tmp_path / "kept", 10**8, lines.append).path(shard)

    return fetch


@pytest.mark.parametrize(
    ("faults", "line"),
    [
        ([late(0.35)], f"{NAME} is late (no answer in 0.2 s): asking again in 0.01 s (2 of 5)"),
        ([status(503)], f"{NAME} is late (the server answers 503): asking again in 0.01 s (2 of 5)"),
        ([torn], f"{NAME} is late (the connection broke off): asking again"),
        ([cut], f"{NAME} came cut or changed ("),
    ],
)
def test_a_fault_that_passes_is_said_and_borne(
    written: Path, fetched: Callable[..., Path], lines: list[str], faults: list[Fault], line: str
) -> None:
    assert fetched(*faults).read_bytes() == (written / NAME).read_bytes()
    assert len(lines) == 1
    assert line in lines[0]


@pytest.mark.parametrize(
    ("faults", "message", "asked"),
    [
        ([status(403)], rf"http://127.*/{NAME} cannot be read: access is denied \(403\): check the address", 1),
        ([status(404)], r"there is no such file \(404\)", 1),
        ([status(503)] * 9, rf"did not come in {ATTEMPTS} attempts \(the server answers 503\)", ATTEMPTS),
        ([cut] * 9, r"is not what the stream's index says \([\d,]+ bytes of [\d,]+\), twice", 2),
    ],
)
def test_a_fault_that_stays_is_one_sentence_and_nothing_is_left(
    served: Served, fetched: Callable[..., Path], tmp_path: Path, faults: list[Fault], message: str, asked: int
) -> None:
    with pytest.raises(InputError, match=message):
        fetched(*faults)
    assert served.asked[NAME] == asked
    assert not [file for file in (tmp_path / "kept").iterdir() if file.suffix in (".partial", ".shard")]


def test_a_full_disk_is_one_sentence(written: Path, fetched: Callable[..., Path], tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # files cannot grow, as on a full disk
    try:
        with pytest.raises(InputError, match=r"shards cannot be kept in .*kept \(.*\): make room, lower data.stream"):
            fetched()
        (tmp_path / "taken").touch()
        with pytest.raises(InputError, match="shards cannot be kept in"):
            fetch_shard(Place(str(written)), NAME, 10**6, "0" * 64, tmp_path / "taken", print)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def index(written: Path) -> Index:
    return read_index(Place(str(written)), print)


def test_the_folder_keeps_its_bound_and_what_was_read_last(written: Path, tmp_path: Path) -> None:
    shards = index(written).train.shards
    most = shards[0].size + shards[1].size
    kept = LocalShards(Place(str(written)), tmp_path / "kept", most, print)
    for number in (0, 1, 0, 2, 0, 1, 3):
        kept.path(shards[number])
        there = [file for file in (tmp_path / "kept").iterdir() if file.suffix == ".shard"]
        assert sum(file.stat().st_size for file in there) <= most
    assert {file.stem for file in there} == {shards[3].sha256, shards[1].sha256}


def test_a_shard_that_was_damaged_here_is_fetched_again(written: Path, tmp_path: Path, lines: list[str]) -> None:
    shard: Shard = index(written).train.shards[0]

    def path() -> Path:  # of another process each time
        return LocalShards(Place(str(written)), tmp_path / "kept", 10**8, lines.append).path(shard)

    content = bytearray(path().read_bytes())
    content[7] ^= 1
    path().write_bytes(content)
    assert path().read_bytes() == (written / shard.name).read_bytes()
    assert "is damaged: fetching it again" in lines[0]
