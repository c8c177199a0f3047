"""Run folders: new ones, old ones, others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afanet.errors import InputError
from afanet.recipe.load import dump_recipe, load_recipe
from afanet.runs.folder import RunFolder
from afanet.runs.hold import held


def test_a_fresh_folder_is_not_made_before_it_is_needed(tmp_path: Path) -> None:
    folder = RunFolder.fresh(tmp_path / "deep" / "run")
    assert not (tmp_path / "deep").exists()
    with held(folder, load_recipe("rooms"), resume=False):
        assert folder.read_recipe() == load_recipe("rooms")


def test_an_empty_folder_will_do_and_a_file_will_not(tmp_path: Path) -> None:
    RunFolder.fresh(tmp_path)
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file"):
        with pytest.raises(InputError, match="give another one with --out"):
            RunFolder.fresh(path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = RunFolder(tmp_path / "file" / "run")
    with pytest.raises(InputError, match="cannot be written"), held(folder, load_recipe("rooms"), resume=False):
        pass


@pytest.mark.parametrize("present", [[], ["recipe.yaml"], ["last.ckpt"]])
def test_a_folder_without_recipe_or_checkpoint_is_no_run(present: list[str], tmp_path: Path) -> None:
    for name in present:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="is not a run folder: it has no"):
        RunFolder.existing(tmp_path)
    with pytest.raises(InputError, match="is not a run folder"):
        RunFolder.existing(tmp_path / "nowhere")


def test_figures_that_do_not_exist_are_null_in_strict_json(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write(folder.metrics, {"tasks": {"depth": {"abs": float("nan"), "rel": 0.1 + 0.2}}})

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    read = json.loads(folder.metrics.read_text(), parse_constant=refuse)
    assert read == {"tasks": {"depth": {"abs": None, "rel": 0.1 + 0.2}}}


def test_metrics_are_read_back_where_there_are_any(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert not folder.finished
    folder.write(folder.metrics, {"tasks": {}, "threads": 2, "seconds": 1.5})
    assert folder.finished
    assert folder.read_results() == {"tasks": {}, "threads": 2, "seconds": 1.5}


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"threads": 2}', '{"tasks": {}, "versions": {"afanet": "new"}}'])
def test_metrics_of_another_kind_are_refused(text: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.metrics.write_text(text)
    with pytest.raises(InputError, match="is not what train wrote"):
        folder.read_results()


@pytest.fixture
def older(tmp_path: Path) -> RunFolder:
    """A run of a version in which the head `linear` was pooled alone, and normalisation was no key."""
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.mark.touch()
    begun = load_recipe("rooms", {"network.head": "linear"})
    lines = dump_recipe(begun).splitlines(True)
    folder.recipe.write_text("".join(line for line in lines if line.split(":")[0].strip() not in NEW))
    return folder


NEW = ("scale", "taps", "mean", "std")


def test_an_older_run_is_resumed_by_the_command_that_began_it(older: RunFolder) -> None:
    for head in ("linear", None):
        given = load_recipe("rooms", {"network.head": head})
        assert RunFolder.resumable(older.path, given).path == older.path
        assert older.continued(given) == older.read_recipe()


@pytest.mark.parametrize("head", [{"segmentation": "linear"}, "dpt"])
def test_an_older_run_is_not_resumed_with_other_heads(head: object, older: RunFolder) -> None:
    given = load_recipe("rooms", {"network.head": head})
    assert older.continued(given).network.head == head
    with pytest.raises(InputError, match=r"recipe.yaml has network.head.* None, but now it is .*: to resume, give"):
        RunFolder.resumable(older.path, given)
