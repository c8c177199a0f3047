"""Variants of a recipe are what their file says, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from afanet.cli.main import main
from afanet.comparison.variants import read_variants
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.runs.setup import build_network, open_tasks


def test_every_ablation_is_another_network_or_start() -> None:
    recipe = load_recipe("digits", {"data.size": [32, 32], "data.options.train_pairs": 4, "data.options.test_pairs": 4})
    variants = read_variants(recipe, "ablations")
    seen = {(repr(one.network), one.two_stage) for one in variants.values()}
    assert len(seen) == len(variants) == 13
    _, tasks = open_tasks(recipe)
    with torch.device("meta"):
        networks = {name: build_network(one, tasks, "none") for name, one in variants.items()}
    sizes = {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
    assert sizes["single"] < sizes["channel"] < sizes["afa"] < sizes["per-task"]
    assert sizes["single"] < sizes["spatial"] < sizes["afa"]
    assert sizes["stages"] < sizes["blocks"]
    assert sizes["trunk-3"] < sizes["trunk-2"] < sizes["trunk-1"] < sizes["afa"] == sizes["guard"] == sizes["warm"]


def test_a_variant_keeps_the_recipe_but_for_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("slow: {optimizer.lr: 0.001}\nalone: {network.method: single}\n")
    recipe = load_recipe("rooms", {"network.guard": 1.0, "epochs": 1})
    variants = read_variants(recipe, str(file))
    assert variants["slow"] == load_recipe("rooms", {"network.guard": 1.0, "epochs": 1, "optimizer.lr": 0.001})
    assert variants["alone"].network.guard is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- afa", "expected names"),
        ("", "expected names"),
        ("a/b: {epochs: 1}", "letters, digits"),
        ("a: 3", "expected keys of a recipe"),
        ("a: {seed: 3}", "but the seed"),
        ("a: {epoch: 3}", "did you mean 'epochs'"),
        ("a: {network.method: hrad}", "did you mean 'hard'"),
        ("a: {epochs: many}", "'a': 'epochs' is 'many'"),
        ("a: [", "not valid YAML"),
        ("a: {data.size: [16, 16]}", "'a' has data.size .16, 16., which all runs of a comparison"),
        ("a: {workers: 7}", "'a' has workers 7"),
        ("a: {1: 2}", "'a' has the key 1, expected keys of a recipe"),
        ("a: {null: 2}", "'a' has the key None, expected keys of a recipe"),
        ("1: {true: 2}", "'1' has the key True, expected keys of a recipe"),
        ("a: {network.method: null}", "'network.method' of 'a' is None, expected the name of a method"),
        ("a: {network.method: [afa]}", "'network.method' of 'a' is .'afa'., expected the name of a method"),
        ("a: {network.method: 2024-99-99}", "line 1, column 21 has '2024-99-99' of type timestamp"),
        ("a: {epochs: 7}\nb: {epochs: 7}", "'a' and 'b' are the same recipe"),
    ],
)
def test_a_file_of_no_variants_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        read_variants(load_recipe("rooms"), str(file))


def test_the_command_takes_methods_or_variants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "digits", "--variants", "ablations", "--jobs", "--seeds", "1"]) == 0
    assert capsys.readouterr().out.count("--only") == 13
    assert main(["compare", "digits", "--variants", "ablations", "--methods", "afa"]) == 2
    assert "one of them" in capsys.readouterr().err
    assert main(["compare", "digits", "--variants", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_comparison_that_is_killed_between_the_stages_of_a_variant_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By a real signal; and once more where the end of a run is missing."""
    monkeypatch.setattr("afanet.comparison.costs.measure_costs", lambda groups: None)
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 5)
    monkeypatch.chdir(tmp_path)
    Path("warm.yaml").write_text("single: {network.method: single}\nwarm: {network.method: afa, two_stage: true}\n")
    flags = """--variants warm.yaml --seeds 2 --backbone test_resnet --size 16 16 --data.options.train_pairs 8
    --data.options.test_pairs 4 --epochs 1 --batch-size 4 --workers 0 --device cpu --precision float32 --out all"""
    words = ["compare", "digits", *flags.split()]
    command = [sys.executable, "-m", "afanet", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}) as one:
        assert one.stderr is not None
        assert "second stage\n" in iter(one.stderr.readline, "")
        one.kill()
    assert not Path("all/warm-seed0/last.ckpt").exists()
    assert main(words) == 0
    said = capsys.readouterr().err
    assert "single-seed0 (1 of 4): there already" in said
    assert "warm-seed0 (2 of 4)\n" in said
    first = Path("all/comparison.json").read_text()
    found = {row["title"]: row["seeds"] for row in json.loads(first)["rows"]}
    assert found == {"single": [0, 1], "afa, two_stage=True": [0, 1]}
    Path("all/warm-seed1/metrics.json").unlink()
    assert main(words) == 0
    assert Path("all/comparison.json").read_text() == first
