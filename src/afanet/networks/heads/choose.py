"""Chooses each task's head: the one that is named for it, or the default for its output and the backbone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from afanet.errors import InputError, shown, unknown
from afanet.networks.heads import HEADS, listed
from afanet.networks.heads.head import Head, Stage, taken
from afanet.networks.outputs import Dense, Output
from afanet.registry import imported

DEFAULT = {"dense": "deeplabv3plus", "pooled": "linear"}  # by output
PLAIN = {"dense": "dpt", "pooled": "linear"}  # for a backbone whose stages all have one stride

Named = str | Mapping[str, str] | None


def named_heads(head: Named, wanted: Mapping[str, Output]) -> dict[str, type[Head]]:
    """The class of the head for each task for which `head` names one.

    Args:
        head: one name for all tasks whose kind of output this head can give, or names by task; None names none.
        wanted: each task's output.

    Raises:
        InputError: for an unknown name or task, and for a head that cannot give a task's kind of output.

    >>> {task: row.__name__ for task, row in named_heads({"depth": "fpn"}, {"depth": Dense(1)}).items()}
    {'depth': 'FPN'}
    """
    if head is None:
        return {}
    if isinstance(head, Mapping):
        if odd := [task for task in head if task not in wanted]:
            raise unknown("task under head", str(odd[0]), wanted)
        return {task: _of(name, task, wanted[task]) for task, name in head.items()}
    forms = HEADS[_checked(head, "")]
    suited = [task for task, output in wanted.items() if _kind(output) in forms]
    if not suited:
        raise InputError(
            f"head {head!r:.120} gives {' or '.join(forms)} outputs, but no task has one: leave it out, or choose "
            "another"
        )
    return {task: _of(head, task, wanted[task]) for task in suited}


def default_head(output: Output, plain: bool, dense: str | None = None) -> type[Head]:
    """The class of the default head for an output, on a plain backbone or another.

    `dense`, if given, is the name of the default head for dense outputs.

    >>> default_head(Dense(1), plain=True).__name__
    'DPT'
    """
    kind = _kind(output)
    name = (PLAIN if plain else DEFAULT)[kind]
    return _class(dense if dense and kind == "dense" else name, kind)


def common(takes: Collection[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    """The stages that backbones return: those that all heads take, or None (all stages) if heads take different ones.

    >>> common({(0, -1)}), common({(0, -1), (1,)})
    ((0, -1), None)
    """
    return next(iter(takes)) if len(takes) == 1 else None


def build_head(row: type[Head], stages: Sequence[Stage], output: Output, output_stride: int) -> Head:
    """The head for a backbone with these stages; raises `InputError` if the head takes a stage that is missing."""
    count = len(stages)
    if odd := [number for number in row.takes or () if not -count <= number < count]:
        raise InputError(
            f"head {row.__name__} takes stage {odd[0]}, but the backbone has {count}, counted from 0: choose another"
        )
    return row.build(taken(stages, row.takes), output.channels, output_stride)


def _of(name: str, task: str, output: Output) -> type[Head]:
    forms, kind = HEADS[_checked(name, f" of task '{task}'")], _kind(output)
    if kind not in forms:
        raise InputError(
            f"head {name!r:.120} gives {' or '.join(forms)} outputs, but task '{task}' has a {kind} one: choose "
            f"{listed(kind)}, or leave it out"
        )
    return _class(name, kind)


def _checked(name: object, whose: str) -> str:
    if not isinstance(name, str):
        raise InputError(f"head{whose} is {shown(name)}, expected a name such as 'linear'")
    return name


def _class(name: str, kind: str) -> type[Head]:
    row: type[Head] = imported(HEADS[name][kind])
    return row


def _kind(output: Output) -> str:
    return "dense" if isinstance(output, Dense) else "pooled"
