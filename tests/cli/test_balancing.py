"""`afanet balancing` as a person uses it, and the page that shows its table."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from pathlib import Path

import pytest
import yaml

from afanet.cli.balancing import add_balancing_command
from afanet.cli.main import main
from afanet.comparison.variants import read_variants
from afanet.recipe.load import change_recipe, load_recipe
from afanet.training.balancing.methods import BALANCINGS

PAGE = Path(__file__).parents[2] / "docs" / "balancing.md"


def run(*words: str) -> None:
    parser = ArgumentParser()
    add_balancing_command(parser.add_subparsers())
    given = parser.parse_args(["balancing", *words])
    given.command(given)


SMALL = """rooms --size 24 32 --data.options.train_scenes 4 --data.options.test_scenes 2 --batch-size 2 --epochs 1
--workers 0 --device cpu --precision float32"""


@pytest.mark.usefixtures("tiny")
def test_weights_of_ones_own_are_given_by_flags(tmp_path: Path) -> None:
    flags = "--balancing fixed --balancing.weights.depth 0.5 --balancing.weights.segmentation 2"
    assert main(["train", *SMALL.split(), *flags.split(), "--out", str(tmp_path / "run")]) == 0
    kept = load_recipe(tmp_path / "run" / "recipe.yaml").balancing
    assert (kept.name, kept.weights, kept.scale) == ("fixed", {"depth": 0.5, "segmentation": 2.0}, "equal")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--balancing fixed --balancing.weights.depth 0.5", "balancing.weights has none for 'segmentation': add it"),
        ("--balancing fixed --balancing.weights.dept 0.5", "unknown task under balancing.weights 'dept', did you mean"),
        ("--balancing fixed --balancing.weights.depth 0", "balancing.weights.depth' is 0, which should be greater"),
        ("--balancing fixed --balancing.weights.depth .nan", "balancing.weights.depth' is nan, which should be"),
        ("--balancing fixed --balancing.weights.depth -1", "balancing.weights.depth' is -1, which should be greater"),
        ("--balancing uw --balancing.weights.depth 1", "'uw' takes no weights, found one for 'depth'"),
        ("--balancing cagrad --balancing.scale papers", "balancing.scale' is 'papers', which should be 'equal' or"),
    ],
)
def test_what_they_cannot_be_is_one_sentence(
    flags: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *SMALL.split(), *flags.split(), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("afanet: error: ")
    assert message in said
    assert not (tmp_path / "run").exists()


def test_the_recipe_on_the_page_is_one() -> None:
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    recipe = change_recipe(load_recipe("rooms"), yaml.safe_load(block), "the page")
    assert recipe.balancing.weights == {"depth": 0.5, "segmentation": 1.0}


def test_variants_of_a_comparison_can_have_them(tmp_path: Path) -> None:
    weights = "{depth: 0.5, segmentation: 2}"
    (tmp_path / "v.yaml").write_text(f"half: {{balancing.name: fixed, balancing.weights: {weights}}}\nequal: {{}}\n")
    variants = read_variants(load_recipe("rooms"), str(tmp_path / "v.yaml"))
    assert variants["half"].balancing.weights == {"depth": 0.5, "segmentation": 2.0}
    assert variants["equal"].balancing.name == "equal"


def test_names_are_printed_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    run("--names")
    assert capsys.readouterr().out.splitlines() == list(BALANCINGS)


def test_the_table_has_everything(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    run()
    out = capsys.readouterr().out
    for row in BALANCINGS.values():
        assert all(text in out for text in (row.name, row.kind, row.sentence, row.paper, *row.options))


def test_the_page_shows_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for row in BALANCINGS.values():
        options = ", ".join(f"{key} {value:g}" for key, value in row.options.items())
        assert f"| `{row.name}` | {row.kind} | {row.sentence} | {row.paper} | {options} |" in text
