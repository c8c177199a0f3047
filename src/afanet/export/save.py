"""Saves a finished run as a folder to share: weights and a config, from which the network is rebuilt, and a card."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from afanet.errors import InputError
from afanet.export.check import random_inputs
from afanet.export.facts import describe
from afanet.export.saved_card import saved_card
from afanet.files import make_folder, remove_folders
from afanet.json_text import to_json
from afanet.runs.config import config_of
from afanet.runs.kept import CONFIG
from afanet.runs.run import Run, load_run
from afanet.runs.siblings import siblings
from afanet.runs.weights import MODEL, save_weights

CARD = "README.md"
FILES = (CARD, CONFIG, MODEL)
NUMBERS = re.compile(r"\[\n[\s\d.,eE+-]+\]")  # a list of numbers over several lines


@dataclass(frozen=True)
class Saved:
    """The folder that was written, and the size of its weights in bytes."""

    folder: Path
    bytes: int


def save_run(source: str | Path, folder: Path, name: str = "") -> Saved:
    """Write the finished run `source`, see `load_run`, to `folder`, which must be new or empty.

    `model.safetensors` has the weights that were scored, `config.json` everything else that is needed to rebuild the
    network, and `README.md` is its card. `name` is the network's name on the hub, if it is known. The folder holds no
    code and no path of this machine. It is read back and compared with the run before it gets its final name.

    Raises `InputError` for a run that has not finished, whose weights are not finite, or that uses code from outside,
    and for a folder that cannot be used. Nothing is left behind then.
    """
    run = load_run(source)
    require_new(folder)
    config = config_of(run)
    with _whole_folder(folder) as partial:
        save_weights(partial / MODEL, run.weights())
        text = NUMBERS.sub(lambda match: "".join(match[0].split()), to_json(config, indent=2, ensure_ascii=False))
        (partial / CONFIG).write_text(f"{text}\n", encoding="utf-8")
        facts = describe(run, run.tasks, None)
        (partial / CARD).write_text(saved_card(siblings(run), run, facts, name), encoding="utf-8")
        _require_same(run, partial, folder)
        size = (partial / MODEL).stat().st_size
    return Saved(folder, size)


def require_new(folder: Path) -> None:
    """Raise `InputError` unless `folder` does not exist or is an empty folder."""
    try:
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise InputError(f"{folder} exists and is not an empty folder: give another one, or remove it")
    except OSError as error:
        raise InputError(f"{folder} cannot be used: {error.strerror}") from None


def _require_same(run: Run, written: Path, folder: Path) -> None:
    """Raise `InputError` unless the network in `written` gives the run's outputs, bit for bit."""
    [images] = random_inputs(run.recipe.data.size, run.recipe.network.in_chans, batch=False, other_sizes=False)
    with torch.inference_mode():
        ours, theirs = (network(images) for network in (load_run(written).network(), run.network()))
    for task, logits in theirs.items():
        if not torch.equal(_bytes(ours[task]), _bytes(logits)):
            raise InputError(f"{folder} was not written: when read back, task '{task}' differs from the run")


def _bytes(logits: torch.Tensor) -> torch.Tensor:
    return logits.contiguous().view(torch.uint8)  # outputs may be channels-last, which has no flat view


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to write in; it becomes `folder` if the block succeeds, and is removed otherwise.

    An `OSError` becomes an `InputError`.
    """
    target = folder.absolute()
    partial = target.with_name(f".{secrets.token_hex(4)}.partial")
    made: list[Path] = []
    try:
        made = make_folder(target.parent)
        partial.mkdir()
        yield partial
        if target.is_dir():
            target.rmdir()  # it is empty
        partial.replace(target)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if not target.exists():
            remove_folders(made)
