"""Many faults of one kind are a few lines, wherever they are printed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from afanet.cli.main import main
from afanet.data.checks.grouped import EXAMPLES, grouped

KINDS = (
    "/data/m.csv, line {n}: unknown label of tags '{w}', did you mean '{w}'? (known: a, b)",
    "/data/{n}.jpg is cut short or broken (image file is truncated ({n} bytes not processed)): copy it again",
    "split train has no tags of class cat",
    "m.csv, line {n}: x{n}.png (train) and m.csv, line 1: y.png (test) are the same image",
)


@given(st.lists(st.tuples(st.sampled_from(range(len(KINDS))), st.integers(0, 10**6), st.text("ab,;", max_size=4))))
def test_every_kind_is_shown_three_times_at_most_and_counted(drawn: list[tuple[int, int, str]]) -> None:
    faults = [KINDS[kind].format(n=number, w=word) for kind, number, word in drawn]
    counts = {kind: sum(other == kind for other, _, _ in drawn) for kind, _, _ in drawn}
    lines = grouped(faults)
    shown = [line for line in lines if not line.startswith("... and ")]
    assert len(shown) == sum(min(count, EXAMPLES) for count in counts.values())
    assert all(line in faults for line in shown)
    left_out = [int(line.split()[2]) for line in lines if line.startswith("... and ")]
    assert sum(left_out) + len(shown) == len(faults)


def test_other_words_are_other_kinds() -> None:
    faults = [f"split {split} has no label for {task}" for split in ("train", "test") for task in ("depth", "age", "x")]
    assert grouped(faults) == faults


@pytest.fixture
def commas(tmp_path: Path) -> Path:
    """A recipe for 39 pictures whose labels are separated by commas."""
    lines = ["image,split,tags"]
    for number in range(39):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{number}.png")
        lines.append(
            f'{number}.png,{"test" if number < 9 else "train"},"{"sunny, wet" if number % 2 else "wet,sunny"}"'
        )
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "recipe.yaml").write_text(
        "name: tags\ndata: {name: manifest, root: ., size: [32, 32], options: {tasks: {tags: {kind: multi_label, "
        "labels: [sunny, wet]}}}}\nnetwork: {method: single, backbone: test_resnet}\n"
        "optimizer: {name: sgd, lr: 0.1, weight_decay: 0}\nschedule: {name: constant}\nepochs: 1\nbatch_size: 2\n"
    )
    return tmp_path / "recipe.yaml"


@pytest.mark.parametrize("command", ["data check", "train"])
def test_commas_between_labels_are_a_few_lines_that_name_the_semicolon(
    command: str,
    commas: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))
    assert main([*command.split(), str(commas)]) == 2
    said = capsys.readouterr()
    lines = (said.out + said.err).splitlines()
    assert sum("expected ';' between labels, such as" in line for line in lines) == 3
    assert sum("... and 36 more" in line for line in lines) == 1
    assert f"{39 if command == 'train' else 41} errors" in said.err  # a check finds both splits empty, too
    if command == "data check":
        assert main(["data", "check", str(commas), "--json"]) == 2
        assert len(json.loads(capsys.readouterr().out)["errors"]) == 41
