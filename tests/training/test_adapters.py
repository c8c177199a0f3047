"""Runs with adapters: the frozen backbone stays what it was and is kept once; the rest resumes and leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from afanet import InputError, create_network
from afanet.cli.main import main
from afanet.export import export_run
from afanet.export.export import FORMATS
from afanet.networks import load_adapters
from afanet.networks.memory_format import channels_last
from afanet.recipe.load import dump_recipe, load_recipe
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import for_method
from afanet.runs.checkpoint import read_checkpoint
from afanet.runs.folder import RunFolder
from afanet.runs.run import Run, load_run
from afanet.runs.setup import build_network
from afanet.training.learner import Learner
from afanet.training.run import train

KEYS: dict[str, Any] = {
    "network.backbone": "test_resnet",
    "network.head": "linear",
    "network.lora.rank": 2,
    "network.lora.where": "all",
    "optimizer.lr": 0.05,
    "optimizer.ema": 0.5,
    "data.size": [32, 48],
    "data.options.train_scenes": 4,
    "data.options.test_scenes": 2,
    "batch_size": 2,
    "checkpoint_every": 1,
}
Make = Callable[..., Recipe]


def is_frozen(name: str) -> bool:
    return ".backbone." in name and "branches" in name and "lora_" not in name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    from ..small import make_small

    return train(make_small(**KEYS, keep_optimizer=True), tmp_path_factory.mktemp("adapters") / "run")


def test_the_frozen_backbone_is_what_it_was_and_the_rest_has_learnt(run: Run) -> None:
    torch.manual_seed(run.recipe.seed)
    before = build_network(run.recipe, run.tasks, "none").state_dict()
    after = run.network().state_dict()
    assert list(before) == list(after)
    for name, tensor in after.items():
        if is_frozen(name):
            assert torch.equal(tensor, before[name]), name
    learnt = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert {part for name in learnt for part in ("lora_A", "lora_B", "head", "fusion") if part in name} == {
        "lora_A",
        "lora_B",
        "head",
        "fusion",
    }


def test_a_checkpoint_holds_the_frozen_backbone_once(run: Run) -> None:
    saved = read_checkpoint(run.folder.checkpoint)
    learner = saved["training"]["learner"]
    places: dict[str, set[int]] = {}
    for part in (saved["state_dict"], learner["network"], learner["average"]):
        for name, tensor in part.items():
            if is_frozen(name) and not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
                places.setdefault(name.partition(".backbone.")[2], set()).add(tensor.untyped_storage().data_ptr())
    assert places
    assert all(len(storages) == 1 for storages in places.values())
    assert run.results["parameters"] == sum(p.numel() for p in run.network().parameters() if p.requires_grad)
    assert len(learner["optimizer"]["state"]) == sum(p.requires_grad for p in run.network().parameters())


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    learn = Learner.learn

    def until(self: Learner, *arguments: Any) -> Any:
        if self.step == 3:
            raise KeyboardInterrupt
        return learn(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", until)
        with pytest.raises(KeyboardInterrupt):
            train(run.recipe, tmp_path / "run")
    again = train(run.recipe, tmp_path / "run", resume=True)
    whole, resumed = (read_checkpoint(each.folder.checkpoint)["state_dict"] for each in (run, again))
    assert list(whole) == list(resumed)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())
    assert again.scores == run.scores


def test_an_exported_file_has_the_adapters_merged(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(FORMATS, "torch", replace(FORMATS["torch"], free=False))  # for one size, which is quicker
    done = export_run(run.path, "torch", tmp_path / "net.pt2")
    assert max(done.errors.values()) < 1e-5
    exported = torch.export.load(done.file)
    assert not [name for name in exported.state_dict if "lora" in name or "base_layer" in name]
    assert "lora" not in exported.graph_module.code


def test_adapters_leave_alone_and_go_onto_the_same_backbone(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    main(["export", str(run.path), "--format", "adapters"])
    file = run.path / "adapters.safetensors"
    with safe_open(file, "pt") as reader:
        described = json.loads(reader.metadata()["afanet"])
    assert described["mean"] == list(run.recipe.network.mean or ())
    assert described["std"] == list(run.recipe.network.std or ())
    assert capsys.readouterr().out == f"{file}: {file.stat().st_size / 1e6:.1f} MB, without the frozen backbone\n"
    torch.manual_seed(run.recipe.seed)  # the backbone's weights here are those of the seed
    fresh = create_network(
        "afa",
        {name: task.output for name, task in run.tasks.items()},
        "test_resnet",
        size=(32, 48),
        head="linear",
        lora={"rank": 2, "where": "all"},
    ).eval()
    load_adapters(channels_last(fresh), file)
    image = torch.rand(1, 3, 32, 48)
    expected: dict[str, Tensor] = run.network()(image)
    assert all(torch.equal(fresh(image)[task], output) for task, output in expected.items())


def test_a_run_without_adapters_has_none_to_export(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunFolder(tmp_path)
    bare = run.recipe.model_copy(update={"network": run.recipe.network.model_copy(update={"lora": None})})
    (tmp_path / "recipe.yaml").write_text(dump_recipe(bare))
    for name in ("metrics.json", "last.ckpt"):
        (tmp_path / name).write_bytes((run.path / name).read_bytes())
    for words, said in (
        (["--format", "adapters"], "is a run without adapters, expected a run that was trained with network.lora"),
        (["--format", "adapters", "--out", "x.onnx"], "expected a name that ends in .safetensors"),
        (["--format", "adapter"], "did you mean 'adapters'"),
    ):
        assert main(["export", str(folder.path), *words]) == 2
        assert said in capsys.readouterr().err
    assert load_run(tmp_path).recipe.network.lora is None
    assert not (tmp_path / "adapters.safetensors").exists()


def test_a_warm_start_needs_one_frozen_backbone(small: Make, tmp_path: Path) -> None:
    keys = {**KEYS, "optimizer.ema": None, "steps": 1, "epochs": 1}
    both = train(small(**keys, **{"network.method": "single"}), tmp_path / "both")
    begun = train(small(**keys, warm_start=[str(both.path)]), tmp_path / "begun")
    assert "warm start: segmentation from" in begun.results["weights"]
    alone = []
    for seed, task in enumerate(both.tasks):
        recipe = small(**keys, **{"network.method": "single", "tasks": [task], "seed": seed})
        alone.append(str(train(recipe, tmp_path / task).path))
    with pytest.raises(InputError, match=r"all tasks share one frozen trunk, but its 'backbone\..* is not that in"):
        train(small(**keys, warm_start=alone), tmp_path / "odd")


def test_bf16_trains_adapters_in_float32(small: Make, tmp_path: Path) -> None:
    run = train(small(**{**KEYS, "precision": "bf16", "steps": 1, "epochs": 1}), tmp_path / "run")
    assert {tensor.dtype for tensor in run.network().state_dict().values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize(
    ("given", "method", "by"), [("task", "mtan", None), ("shared", "single", None), ("task", "hard", "task")]
)
def test_another_method_has_the_adapters_that_it_can(given: str, method: str, by: str | None) -> None:
    lora = for_method(load_recipe("rooms", {"network.lora.by": given}), method).network.lora
    assert lora is not None
    assert lora.by == by
    assert lora.rank == 16


def test_the_section_is_given_by_flags_and_taken_away_by_null(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "rooms", "--network.lora.rank", "8", "--print-config"])
    assert "  lora:\n    rank: 8\n    by: null\n    where: attention\n" in capsys.readouterr().out
    main(["train", "rooms", "--network.lora", "null", "--print-config"])
    assert "  lora: null\n" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"'network\.lora' is '16', which should be a valid dictionary"):
        load_recipe("rooms", {"network.lora": "16"})
