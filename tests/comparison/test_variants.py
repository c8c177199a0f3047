"""Variants of a recipe are what their file says, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from afanet.cli.main import main
from afanet.comparison.variants import read_variants
from afanet.errors import InputError
from afanet.training.load import load_recipe
from afanet.training.setup import build_network, open_tasks


def test_every_ablation_is_another_network_or_start() -> None:
    recipe = load_recipe("digits", {"data.size": [32, 32], "data.options.train_pairs": 4, "data.options.test_pairs": 4})
    variants = read_variants(recipe, "ablations")
    seen = {(repr(one.network), one.two_stage) for one in variants.values()}
    assert len(seen) == len(variants) == 12
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
    ],
)
def test_a_file_of_no_variants_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        read_variants(load_recipe("rooms"), str(file))


def test_the_command_takes_methods_or_variants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "digits", "--variants", "ablations", "--jobs", "--seeds", "1"]) == 0
    assert capsys.readouterr().out.count("--only") == 12
    assert main(["compare", "digits", "--variants", "ablations", "--methods", "afa"]) == 2
    assert "one of them" in capsys.readouterr().err
    assert main(["compare", "digits", "--variants", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err
