"""An exported file on the page answers as the run that it was made from, without connections."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from afanet.demo import FileExhibit
from afanet.errors import InputError
from afanet.inference import Predictor
from afanet.tasks import Classification, Depth, Description

from ..inference.conftest import told, write_model

TASKS = {"depth": Depth(8.0), "kind": Classification("kind", ["hall", "attic"])}
PHOTO = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.fixture
def exhibit(tmp_path: Path) -> FileExhibit:
    kept = {name: Description.of(task).as_json() for name, task in TASKS.items()}
    return FileExhibit(write_model(tmp_path / "net.onnx", {"afanet": json.dumps(told(described=kept))}))


def test_it_shows_what_the_file_answers(exhibit: FileExhibit) -> None:
    about = exhibit.about()
    assert [task["name"] for task in about["tasks"]] == ["depth", "kind"]
    assert (about["run"], about["layers"], about["samples"], about["size"]) == ("net.onnx", [], 0, (24, 32))
    answer = exhibit.answer(PHOTO)
    depth, kind = answer["tasks"]
    assert (depth["height"], depth["width"]) == (24, 32)
    choice = Predictor(exhibit.path)(PHOTO)["kind"]
    assert dict(kind["likely"]) == pytest.approx(choice.probabilities, rel=1e-5)  # type: ignore[attr-defined]
    assert [task["name"] for task in exhibit.answer(PHOTO, tasks=["kind"])["tasks"]] == ["kind"]


def test_what_a_file_does_not_have_is_refused(exhibit: FileExhibit, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no sample 0"):
        exhibit.sample(0)
    with pytest.raises(InputError, match="1 layers were to be cut, and tasks meet at 0"):
        exhibit.answer(PHOTO, layers=1)
    older = write_model(tmp_path / "older.onnx", {"afanet": json.dumps(told())})
    with pytest.raises(InputError, match=r"older\.onnx does not describe its tasks"):
        FileExhibit(older)
