"""Suggests the name that somebody probably meant, for a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

SEARCHED = 2000  # names at most, which takes ten milliseconds
# What other libraries call our keys, in the form of `_plain`.
SYNONYMS = {
    "learning_rate": "lr",
    "rate": "lr",
    "bs": "batch_size",
    "batch": "batch_size",
    "wd": "weight_decay",
    "decay": "weight_decay",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "n_epochs": "epochs",
    "max_steps": "steps",
    "num_steps": "steps",
    "iterations": "steps",
    "num_workers": "workers",
    "n_workers": "workers",
    "gpus": "devices",
    "num_gpus": "devices",
    "random_seed": "seed",
    "image_size": "size",
    "img_size": "size",
    "imgsz": "size",
    "resolution": "size",
    "crop_size": "crop",
    "grad_clip": "clip",
    "clip_grad": "clip",
    "max_norm": "clip",
    "amp": "precision",
    "fp16": "precision",
    "dtype": "precision",
    "model": "backbone",
    "arch": "backbone",
    "encoder": "backbone",
    "pretrained": "weights",
    "checkpoint": "weights",
    "optimiser": "optimizer",
    "optim": "optimizer",
    "scheduler": "schedule",
    "lr_scheduler": "schedule",
    "warmup_steps": "warmup",
    "warmup_epochs": "warmup",
    "output": "out",
    "output_dir": "out",
    "save_dir": "out",
    "data_dir": "data",
    "data_path": "data",
    "dataset": "data",
}


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The name among `known` that is probably meant by `name`; None if no name is similar, or there are very many.

    Case, hyphens and what other libraries call a key make no difference. A name without its section means the key of
    that name in any section. Otherwise the most similar name is taken.

    >>> keys = ["--loggers", "--optimizer.lr", "--schedule.name", "--batch-size"]
    >>> [nearest(name, keys) for name in ("--lr", "--optimizer.learning_rate", "--Batch_Size", "--bs", "--scheduler")]
    ['--optimizer.lr', '--optimizer.lr', '--batch-size', '--batch-size', '--schedule.name']
    >>> nearest("hrad", ["single", "hard"]), nearest("AFA", ["afa", "afa_channel"])
    ('hard', 'afa')
    """
    if len(known) > SEARCHED:
        return None
    parts_of = {candidate: _plain(candidate) for candidate in reversed(known)}  # the first of equal names wins
    wanted = _plain(name)
    meant = [SYNONYMS.get(part, part) for part in wanted]
    for parts in (wanted, meant, [*wanted, "name"], [*meant, "name"]):
        if same := [candidate for candidate, others in parts_of.items() if others == parts]:
            return same[-1]
    for last in (wanted[-1], meant[-1]):
        if same := [candidate for candidate, others in parts_of.items() if others[-1] == last]:
            return max(same[::-1], key=lambda candidate: _similarity(meant, parts_of[candidate]))
    plain = {".".join(parts): candidate for candidate, parts in parts_of.items()}
    similar = difflib.get_close_matches(".".join(wanted), plain, n=1, cutoff=0.4)
    return plain[similar[0]] if similar else None


def ranked(name: str, known: Sequence[str]) -> Sequence[str]:
    """The known names, the most similar to `name` first; in their own order if there are very many.

    >>> ranked("layer4.conv", ["stem", "layer4.conv1", "layer1.conv1"])
    ['layer4.conv1', 'layer1.conv1', 'stem']
    """
    if len(known) > SEARCHED:
        return known
    wanted = _plain(name)
    return sorted(known, key=lambda candidate: -_similarity(wanted, _plain(candidate)))


def _plain(name: str) -> list[str]:
    """The parts of a name between dots, in lower case and with underscores, without the dashes of a flag."""
    return name.lstrip("-").casefold().replace("-", "_").split(".")


def _similarity(parts: list[str], others: list[str]) -> float:
    return difflib.SequenceMatcher(None, ".".join(parts), ".".join(others)).ratio()
