"""Whatever a YAML text holds, every door through which it comes reads it or refuses it in one sentence."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from afanet.cli import main
from afanet.comparison.variants import read_variants
from afanet.data import open_data
from afanet.recipe.load import dump_recipe, load_recipe
from afanet.yaml_file import parse_yaml

from .mutations import ODD, mutate, refusal, scrambled

TAGS = "!!int !!float !!bool !!null !!timestamp !!binary !!set !!omap !!pairs !!str !!seq !!map !!python/tuple !foo"
VALUES = "2024-99-99 2024-01-01 0x 0b 0o8 1_ 190:61 .inf .nan ~ <<: = maybe abc 1e999 b 1"
SIGNS = "& * - ? : [ ] { } , | > ' \" # % @ \\"
REST = ['"\\ud800"', '"\\0"', '"\\U00110000"', '"\\xzz"', "9" * 5000, "[" * 40, "- " * 40, "\t", "\n", "\n  "]
VARIANTS = {
    "single": {"network.method": "single"},
    "a": {"network.guard": 2.0, "network.method": "afa"},
    "b": {"losses.depth": {"name": "berhu"}, "epochs": 3},
}


def made_up(seed: int) -> str:
    rng = random.Random(seed)
    pieces = [*TAGS.split(), *VALUES.split(), *SIGNS.split(), *REST]
    return rng.choice(["", " "]).join(rng.choices(pieces, k=rng.randint(1, 6)))


def test_text_is_read_or_refused_with_its_line_and_column() -> None:
    said = [refusal(parse_yaml, f"a: {made_up(seed)}", "it") for seed in range(3000)]
    for text in ("\ud800", "\0"):
        said += [refusal(parse_yaml, f"a: {made_up(seed)}{text}", "it") for seed in range(50)]
    assert sum(sentence is not None for sentence in said) > 1000
    assert all(sentence is None or sentence.startswith("it, line ") for sentence in said)


def write(file: Path, value: object, seed: int) -> Path:
    text = yaml.safe_dump(value, sort_keys=False).encode("utf-8", "replace")
    file.write_bytes(scrambled(text, seed) if seed % 3 == 0 else text)
    return file


def test_recipes_are_read_or_refused_by_name(tmp_path: Path) -> None:
    whole = yaml.safe_load(dump_recipe(load_recipe("rooms")))
    for seed in range(120):
        said = refusal(load_recipe, write(tmp_path / "mine.yaml", mutate(whole, seed), seed))
        assert said is None or "mine.yaml" in said


def test_variants_are_read_or_refused_by_name(tmp_path: Path) -> None:
    recipe = load_recipe("rooms")
    for seed in range(120):
        changed = mutate(VARIANTS, seed, [*ODD, {1: 2}, {None: 1}, {True: "afa"}])
        said = refusal(read_variants, recipe, str(write(tmp_path / "mine.yaml", changed, seed)))
        assert said is None or "mine.yaml" in said


def test_declared_tasks_are_opened_or_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("image,split,age,kind\n0.png,train,1,hall\n1.png,test,2,attic\n")
    kinds = {"kind": "classification", "classes": ["hall", "attic"]}
    options = {"tasks": {"age": {"kind": "ordinal", "classes": ["1", "2"]}, "kind": kinds}, "augment": True}

    def opened(changed: dict[object, object]) -> None:
        open_data("manifest", tmp_path, (24, 32), **{str(key): value for key, value in changed.items()})

    odd = [value for value in ODD if value not in ("\0", "\ud800")]  # which no YAML gives
    for seed in range(200):
        if isinstance(changed := mutate(options, seed, odd), dict):
            refusal(opened, changed)


def test_the_value_of_a_flag_is_refused_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(40):
        text = made_up(seed)
        status = main(["train", "rooms", "--print-config", f"--losses.depth={text}"])
        out, err = capsys.readouterr()
        assert (status, bool(err), bool(out)) in ((0, False, True), (2, True, False))
        if status == 2:
            assert err.startswith("afanet: error: ")
            assert err.count("\n") == 1
            assert "losses.depth" in err
