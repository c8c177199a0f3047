"""Renames a file's tensors to timm's names: the layout is recognised, and timm's own converters do the rest."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import timm
from torch import Tensor, nn

from afanet.errors import InputError, shown
from afanet.networks.weights.layout import KeyLayout, Tensors
from afanet.networks.weights.layouts import LAYOUTS

CONVERTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")  # as timm's modules call them
BETTER = re.compile(r"teacher|ema")  # in the prefix of names of an average over training
WHOLE = "model."  # the prefix of names in a backbone that is kept whole
OURS = re.compile(r"(?:network\.)?branches\.([^.]+)\.(backbone|head)\.")  # the prefix of names in our own runs


class TimmView:
    """A backbone under the names in timm's files, for timm's converters."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def get_submodule(self, name: str) -> nn.Module:
        """A layer by its name in timm's files."""
        flat = name.replace(".", "_", 1)
        return self._module.get_submodule(flat if hasattr(self._module, flat.partition(".")[0]) else name)

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors under all names that they may have in timm's files."""
        return {name: x for own, x in self._module.state_dict().items() for name in spellings(own)}


def spellings(own: str) -> list[str]:
    """The names that a backbone's tensor may have in a file of timm.

    timm names the layers of a flattened stage ``stages_0.x`` where its files say ``stages.0.x``.

    >>> spellings("stages_0.blocks.1.gamma"), spellings("model.cls_token")
    (['stages_0.blocks.1.gamma', 'stages.0.blocks.1.gamma'], ['model.cls_token', 'cls_token'])
    """
    return list(dict.fromkeys([own, own.removeprefix(WHOLE), re.sub(r"^([a-z]+)_(\d+)\.", r"\1.\2.", own)]))


def converted(state: Mapping[str, Tensor], module: nn.Module, name: str, source: str) -> tuple[Tensors, list[str]]:
    """The tensors of a file under timm's names, resized to fit `module` if timm can do this, and notes for the report.

    Args:
        state: tensors by name; `Traced` tensors remember what they were.
        module: the backbone.
        name: the name of the timm model, or any other text for another kind of module.
        source: the source of the tensors, for messages.

    Raises:
        InputError: if the file holds several such networks.
    """
    _require_no_run(state, source)
    layout, prefixes = recognised(state)
    own = {spelling for key in module.state_dict() for spelling in spellings(key)}
    prefix = _best(prefixes, source) if layout else _prefix(state, {key.removeprefix(WHOLE) for key in own}, source)
    notes = [layout.name] if layout else []
    notes += [f"under {shown(prefix)}"] if prefix else []
    rest = {key: x for key, x in state.items() if not key.startswith(prefix)}
    inner = {key.removeprefix(prefix): x for key, x in state.items() if key.startswith(prefix)}
    if layout is not None:
        inner = _in_order(inner, module) if layout.in_order else _renamed(inner, layout, source)
    stripped = rest | _by_timm(inner, module, name)
    if prefix and layout is None:  # timm's converter may know this prefix, and rename more names after it
        known = _by_timm(dict(state), module, name)
        if len(own & known.keys()) > len(own & stripped.keys()):
            return known, []
    return stripped, notes


def recognised(state: Mapping[str, Tensor]) -> tuple[KeyLayout | None, list[str]]:
    """The layout of a file's tensors, and the prefix of each network's names; None for timm's own layout."""
    for layout in LAYOUTS:
        if prefixes := layout.prefixes(state):
            return layout, prefixes
    return None, []


def _renamed(state: Tensors, layout: KeyLayout, source: str) -> Tensors:
    try:
        return layout.rename(state)
    except (RuntimeError, KeyError, IndexError) as error:
        raise InputError(
            f"{source} has the names of {layout.name}, but its tensors do not fit together: expected a whole file"
        ) from error


def of_run(names: Iterable[str]) -> str:
    """A hint for tensors of a run of this package, which says what to do with a run; empty for other tensors."""
    ours = any(OURS.match(name) for name in names)
    return "; it is of a run: start from the whole run with --start-from RUN" if ours else ""


def _require_no_run(state: Mapping[str, Tensor], source: str) -> None:
    """Raise `InputError` for the tensors of a run with more than one backbone."""
    tasks = dict.fromkeys(match[1] for name in state if (match := OURS.match(name)) and match[2] == "backbone")
    if len(tasks) > 1:
        raise InputError(
            f"{source} holds the backbones of {len(tasks)} tasks, {shown(', '.join(tasks))}{of_run(state)}"
        )


def _prefix(state: Mapping[str, Tensor], own: set[str], source: str) -> str:
    """The prefix of timm's names in a file, such as ``backbone.``."""
    candidates = {""}
    for key in own:
        candidates |= {before for name in state if name.endswith(f".{key}") and (before := name.removesuffix(key))}
    scores = {before: sum(f"{before}{key}" in state for key in own) for before in sorted(candidates)}
    most = max(scores.values())
    best = [before for before, score in scores.items() if score == most]
    return "" if "" in best else _best(best, source)


def _best(prefixes: list[str], source: str) -> str:
    """The only prefix, or that of an average over training; raises `InputError` if this leaves several."""
    better = [prefix for prefix in prefixes if BETTER.search(prefix)] or prefixes
    if len(better) > 1:
        raise InputError(
            f"{source} holds {len(better)} networks, under {shown(', '.join(better))}: save the tensors of one of them"
        )
    return better[0]


def _in_order(state: Tensors, module: nn.Module) -> Tensors:
    """The tensors of torchvision's ``features`` under the names of the modules at the same positions."""
    theirs = sorted({key.rpartition(".")[0] for key in state if key.startswith("features.")}, key=_natural)
    ours = list(dict.fromkeys(key.rpartition(".")[0] for key in module.state_dict()))
    names = dict(zip(theirs, ours, strict=False))
    parts = {key: key.rpartition(".") for key in state}
    return {f"{names[parts[key][0]]}.{parts[key][2]}" if parts[key][0] in names else key: x for key, x in state.items()}


def _natural(name: str) -> list[tuple[int, str]]:
    """A sorting key that puts 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]


def _by_timm(state: Tensors, module: nn.Module, name: str) -> Tensors:
    """The tensors after timm's converter for this family; unchanged if there is none, or if it cannot read them."""
    if not timm.is_model(name):
        return state
    family = vars(sys.modules[timm.models.model_entrypoint(name).__module__])
    converter = next((family[each] for each in CONVERTERS if each in family), None)
    whole = getattr(module, WHOLE.rstrip("."), None)
    view = TimmView(whole if isinstance(whole, nn.Module) else module)
    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for arguments in ((dict(state), view), (dict(state),)):
            try:
                return state if converter is None else dict(converter(*arguments))
            except (TypeError, AttributeError, KeyError, ValueError, IndexError, RuntimeError, AssertionError):
                continue
    return state
