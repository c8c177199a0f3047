"""Training from a web server with faults and little room is killed, and resumes to the same end, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from afanet.data.cache import cache_root
from afanet.data.streams.index import read_index
from afanet.data.streams.place import Place
from afanet.runs.checkpoint import read_checkpoint
from afanet.training.learner import Learner
from afanet.training.run import train

from ...small import make_small
from .server import Served, cut, late


class KilledError(Exception):
    """In place of a signal."""


@pytest.mark.usefixtures("tiny")
def test_a_killed_run_resumes_exactly_while_shards_come_late_and_cut(
    written: Path, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("afanet.training.order.WINDOW", 2)
    monkeypatch.setattr("afanet.data.streams.read.WINDOW", 2)
    most = 2 * max(shard.size for shard in read_index(Place(str(written)), print).shards)
    recipe = make_small(**{"data.stream": served.url, "data.stream_cache": most / 1e9, "checkpoint_every": 1})
    whole = train(recipe, tmp_path / "whole")
    assert served.asked["train-00000.shard"] > 1, "the cache is too small for all, so shards come again"
    learn = Learner.learn

    def until(self: Learner, *arguments: object) -> object:
        if self.step == 3:
            raise KilledError
        return learn(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", until)
        with pytest.raises(KilledError):
            train(recipe, tmp_path / "killed")
    for file in (cache_root() / "streams").glob("*.shard"):
        file.unlink()
    served.faults["train-00001.shard"] = [cut]
    served.faults["train-00002.shard"] = [late(0.4)]
    served.faults["test-00001.shard"] = [cut, late(0.4)]
    torch.rand(7)
    resumed = train(recipe, tmp_path / "killed", resume=True)
    first, second = (read_checkpoint(tmp_path / name / "last.ckpt")["state_dict"] for name in ("whole", "killed"))
    assert list(first) == list(second)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert resumed.results["tasks"] == whole.results["tasks"]
    printed = capsys.readouterr().err
    assert "test-00001.shard came cut or changed" in printed
    assert "test-00001.shard is late (no answer in" in printed
