"""A saved folder is a finished run that one can read; one edited by hand, or cut short, is refused by a sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from afanet.errors import InputError
from afanet.json_text import to_json
from afanet.runs.config import config_of
from afanet.runs.run import Run, load_run
from afanet.training.run import train

from ..small import TinyNetwork, make_small

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("afanet.runs.setup.create_network", lambda method, outputs, *a, **o: TinyNetwork(outputs))
        return train(make_small(), tmp_path_factory.mktemp("run") / "run")


@pytest.fixture
def saved(trained: Run, tiny: None, tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    shutil.copy(trained.folder.scored, folder / "model.safetensors")
    (folder / "config.json").write_text(to_json(config_of(trained)))
    return folder


def edit(folder: Path, change: Change) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def test_it_is_the_run(trained: Run, saved: Path) -> None:
    run, images = load_run(saved), torch.rand(2, 3, 24, 32)
    assert (run.path, run.folder.finished, run.scores) == (saved, True, trained.scores)
    assert run.described == trained.described
    assert run.recipe.tasks == tuple(trained.tasks)  # by name, in the order of the network
    other = {"device", "devices", "workers", "loggers", "code", "tasks"}
    assert run.recipe.model_dump(exclude=other) == trained.recipe.model_dump(exclude=other)
    ours, theirs = run.network()(images), trained.network()(images)
    assert all(torch.equal(ours[name], theirs[name]) for name in ("segmentation", "depth"))
    for key in ("method", "recipe", "data", "fingerprint", "parameters", "flops", "threads", "versions"):
        assert run.results[key] == trained.results[key]


@pytest.mark.parametrize(("start", "kept"), [("hub:ada/rooms-afa", "hub:ada/rooms-afa"), ("/runs/before", None)])
def test_what_its_run_started_from_is_named_if_it_is_on_the_hub(start: str, kept: str | None, trained: Run) -> None:
    run = replace(trained, recipe=trained.recipe.model_copy(update={"start_from": start}))
    assert config_of(run)["recipe"].get("start_from") == kept


def test_it_has_no_path_of_this_machine(saved: Path, trained: Run) -> None:
    recipe = trained.recipe.model_copy(
        update={
            "data": trained.recipe.data.model_copy(
                update={
                    "root": Path("/home/ada/my data"),
                    "options": {"parts": [{"name": "manifest", "root": "/home/ada/x"}], "table": "/home/ada/y"},
                }
            ),
            "network": trained.recipe.network.model_copy(update={"weights": "/home/ada/r18.pth"}),
            "warm_start": (Path("/home/ada/runs/one"), Path("/home/ada/runs/two")),
        }
    )
    results = trained.results | {"weights": "resnet18: all\nwarm start: depth from /home/ada/my runs/one (9 of 9)"}
    config = config_of(Run(trained.folder, recipe, results))
    assert "/home" not in to_json(config)
    assert config["weights"] == "resnet18: all\nwarm start: depth from one (9 of 9)"
    assert config["recipe"]["data"]["options"] == {"parts": [{"name": "manifest"}]}
    (saved / "config.json").write_text(to_json(config))
    read = load_run(saved).recipe
    assert (read.data.root, read.network.weights, read.warm_start) == (None, "none", None)


def test_weights_by_a_name_that_everybody_knows_stay(trained: Run) -> None:
    for weights in ("pretrained", "hf-hub:timm/resnet18.a1_in1k"):
        network = trained.recipe.network.model_copy(update={"weights": weights})
        recipe = trained.recipe.model_copy(update={"network": network})
        assert config_of(Run(trained.folder, recipe, trained.results))["recipe"]["network"]["weights"] == weights


def test_a_run_with_code_of_its_own_is_not_saved(trained: Run) -> None:
    network = trained.recipe.network.model_copy(update={"method": "/home/ada/mine.py:Mine"})
    run = Run(trained.folder, trained.recipe.model_copy(update={"network": network}), trained.results)
    with pytest.raises(InputError, match=r"uses code from outside afanet \(/home/ada/mine\.py:Mine\)"):
        config_of(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(scor={}), "unknown key 'scor', did you mean 'scores'?"),
        (lambda c: c["tasks"]["depth"].update(colour=1), "'tasks.depth.colour' is no key of it"),
        (lambda c: c["recipe"].update(epoch=3), "unknown recipe key 'epoch', did you mean 'epochs'?"),
        (lambda c: c.pop("recipe"), "'recipe' is missing"),
        (lambda c: c.pop("scores"), "'scores' is missing"),
        (lambda c: c.update(tasks={}), "'tasks' is {}"),
        (lambda c: c.update(format=2), "is in format 2, expected 1: install a newer version of afanet"),
        (lambda c: c.update(format="1"), "'format' is '1'"),
        (lambda c: c["recipe"]["network"].update(method="mine.py:Mine"), "names code from outside afanet, mine"),
        (lambda c: c["recipe"].update(code={"mine.py:Mine": "0"}), "names code from outside afanet, mine"),
        (lambda c: c["tasks"]["depth"]["meaning"].update(kind="a.py:KIND"), "names code from outside afanet, a.py"),
        (lambda c: c["recipe"]["data"].update(root="etc"), "'recipe.data.root' is 'etc', but a saved folder has"),
        (lambda c: c["recipe"].update(warm_start=["/x"]), "'recipe.warm_start.0' is '/x', but a saved folder has no"),
        (lambda c: c["recipe"]["network"].update(weights="a.pth"), "'recipe.network.weights' is 'a.pth', but a saved"),
        (lambda c: c["recipe"].update(start_from="runs/x"), "'recipe.start_from' is 'runs/x', but a saved folder has"),
        (lambda c: c["recipe"].update(tasks=["depth"]), "'recipe.tasks' is depth, but 'tasks' has segmentation, depth"),
        (
            lambda c: c.update(tasks=dict(sorted(c["tasks"].items()))),
            "but 'tasks' has depth, segmentation, expected the same tasks",
        ),
        (lambda c: c["recipe"]["network"].update(mean=None), "'recipe.network.mean' is missing"),
        (lambda c: c["recipe"]["network"].update(in_chans="x"), "'network.in_chans' is 'x'"),
        (lambda c: c["scores"]["depth"].pop("abs"), "task 'depth' has only a score or only a direction for 'abs'"),
        (lambda c: c["tasks"]["depth"].update(output={"dense": 0}), "'tasks.depth.output.dense' is 0"),
        (lambda c: c["versions"].update(afanet="99.0.0"), "was made by afanet 99.0.0, which this version"),
    ],
)
def test_a_config_that_was_edited_by_hand_is_refused(change: Change, message: str, saved: Path) -> None:
    edit(saved, change)
    with pytest.raises(InputError) as caught:
        load_run(saved)
    assert message in str(caught.value)
    assert str(saved) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_config_that_is_no_json_is_refused(saved: Path) -> None:
    (saved / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is not what `afanet save` wrote: .* is not JSON"):
        load_run(saved)


def test_weights_of_another_network_and_a_file_cut_short_are_refused(saved: Path) -> None:
    edit(saved, lambda c: [c[key].pop("depth") for key in ("tasks", "scores")] + [c["recipe"]["tasks"].remove("depth")])
    with pytest.raises(InputError, match=r"model\.safetensors is of another network than the config\.json beside it"):
        load_run(saved).network()
    whole = (saved / "model.safetensors").read_bytes()
    (saved / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        InputError, match=r"model\.safetensors is not a file of a network's weights, or it is cut short"
    ):
        load_run(saved).network()


@pytest.mark.parametrize(("gone", "left"), [("config.json", "model"), ("model.safetensors", "config")])
def test_half_a_folder_is_refused(gone: str, left: str, saved: Path) -> None:
    (saved / gone).unlink()
    with pytest.raises(InputError, match=rf"has no {gone}, expected what `afanet save` writes"):
        load_run(saved)


def test_a_run_folder_stays_one_whatever_else_is_in_it(trained: Run, saved: Path, tmp_path: Path) -> None:
    both = Path(shutil.copytree(trained.path, tmp_path / "both"))
    shutil.copy(saved / "config.json", both)
    assert load_run(both).folder.metrics.name == "metrics.json"


def test_a_version_without_a_key_is_read_as_it_was(saved: Path, trained: Run) -> None:
    edit(saved, lambda c: c["recipe"]["balancing"].pop("scale"))
    assert load_run(saved).recipe.balancing.scale == "paper"


def test_its_data_that_nobody_named_are_asked_for(saved: Path) -> None:
    def elsewhere(config: dict[str, Any]) -> None:
        config["recipe"]["data"].update(name="nyuv2", options={})

    edit(saved, elsewhere)
    with pytest.raises(InputError, match="got no path: give it with --data"):
        load_run(saved).data()
