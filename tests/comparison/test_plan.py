"""A comparison trains what is missing, and only that."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from afanet.cli.main import main
from afanet.comparison.plan import by_methods, part, plan
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe

from ..bounds import bounded

SMALL = [
    "--backbone",
    "test_resnet",
    "--size",
    "32",
    "32",
    "--data.options.train_pairs",
    "8",
    "--data.options.test_pairs",
    "4",
    "--epochs",
    "1",
    "--batch-size",
    "4",
    "--workers",
    "0",
    "--device",
    "cpu",
]


def small(**keys: object) -> Recipe:
    data = {"data.options.train_pairs": 8, "data.options.test_pairs": 4, "data.size": [32, 32]}
    return load_recipe("digits", {**data, "epochs": 1, "batch_size": 4, "workers": 0, "device": "cpu", **keys})


def test_all_methods_of_one_seed_come_before_the_next(tmp_path: Path) -> None:
    planned = plan(by_methods(small(seed=5), ["single", "afa"]), 2, tmp_path)
    assert [run.folder.path.name for run in planned] == ["single-seed5", "afa-seed5", "single-seed6", "afa-seed6"]
    assert {run.recipe.network.method for run in planned} == {"single", "afa"}


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_are_all_runs_once(count: int) -> None:
    shares = [part("abcdef", f"{i}/{count}") for i in range(1, count + 1)]
    assert sorted(chain.from_iterable(shares)) == list("abcdef")


@pytest.mark.parametrize("which", ["0/2", "3/2", "1", "a/b", "1/"])
def test_a_share_that_is_none_is_refused(which: str) -> None:
    with pytest.raises(InputError, match="expected i/n"):
        part("ab", which)


def test_a_comparison_from_nothing_to_the_page_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "digits", *SMALL, "--methods", "single,hard", "--seeds", "2", "--out", str(tmp_path / "c")]
    assert main([*words, "--only", "1/2"]) == 0
    assert "2 of 4 runs are still missing: hard-seed0, hard-seed1" in capsys.readouterr().err
    assert main(words) == 0
    out = capsys.readouterr()
    assert "single-seed0 (1 of 4): there already" in out.err
    names = {file.name for file in (tmp_path / "c").iterdir() if file.is_file()}
    assert names == {"report.html", "comparison.md", "comparison.csv", "comparison.tex", "comparison.json"}
    costs = json.loads((tmp_path / "c/hard-seed0/costs.json").read_text())["costs"]
    assert all(value > 0 for value in costs.values())
    before = (tmp_path / "c/comparison.json").read_bytes()
    assert main(words) == 0
    assert (tmp_path / "c/comparison.json").read_bytes() == before
    page = (tmp_path / "c/report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    # a run on other data is not taken for one of these
    results = json.loads((tmp_path / "c/hard-seed1/metrics.json").read_text())
    (tmp_path / "c/hard-seed1/metrics.json").write_text(json.dumps(results | {"fingerprint": "other"}))
    assert main(words) == 2
    assert "other data" in capsys.readouterr().err
    assert main([*words, "--optimizer.lr", "0.5"]) == 2
    assert "optimizer.lr" in capsys.readouterr().err


def test_jobs_are_commands_for_a_scheduler(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "digits", "--jobs", "--methods", "single,afa", "--seeds", "2", "--out", "a b"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == "afanet compare digits --methods single,afa --seeds 2 --out 'a b' --only 4/4"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "afa"], "--methods"),
        (["--methods", "afa,afa"], "different methods"),
        (["--methods", "afa,hrad"], "did you mean 'hard'"),
        (["--seeds", "0"], "expected 1 to 1000"),
        (["--baseline", "hrad"], "unknown --baseline 'hrad', did you mean 'hard'"),
        (["--methods", "hard,afa", "--baseline", "single"], "unknown --baseline 'single'"),
    ],
)
def test_what_cannot_be_compared_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "digits", *words]) == 2
    assert said in capsys.readouterr().err


def test_an_unfinished_run_is_no_part_of_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


def test_a_plan_has_no_more_seeds_than_anybody_can_train(tmp_path: Path) -> None:
    variants = by_methods(small(), ["single", "afa"])
    for seeds in (1001, 10**30):
        with bounded(), pytest.raises(InputError, match=f"^--seeds is {seeds}, expected 1 to 1000$"):
            plan(variants, seeds, tmp_path)
    last = by_methods(small(seed=2**32 - 2), ["single"])
    assert len(plan(last, 2, tmp_path)) == 2
    with pytest.raises(InputError, match="seeds from 4294967294 on"):
        plan(last, 3, tmp_path)


@pytest.mark.parametrize("which", ["1" * 5000 + "/" + "1" * 5000, "1/" + "9" * 10**6, "\u0661/\u0662"])
def test_a_share_of_endless_digits_is_refused(which: str) -> None:
    with pytest.raises(InputError, match="expected i/n") as caught:
        part("ab", which)
    assert len(str(caught.value)) < 200
