"""Single-task networks woven into one network: they stop at named layers and exchange features there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, fx, nn

from afanet.errors import InputError, shown
from afanet.names import name_fault
from afanet.networks.joining import Joining
from afanet.networks.points import Points, points_by_task, require_layers
from afanet.networks.trace import IMAGE, UntraceableError, takes_by_name
from afanet.networks.verify import require_sound
from afanet.networks.woven import Program, Woven

ATTRIBUTES = frozenset(dir(nn.Module()))


def weave(
    branches: Mapping[str, nn.Module],
    at: Points | Sequence[Points] | Mapping[str, Points],
    fusion: Callable[..., nn.Module] | None,
    *,
    share: str | None = None,
    example: Tensor | Sequence[int] | None = None,
    adapt: bool = False,
) -> Woven:
    """Weave single-task networks into one multi-task network that takes an image and returns ``{task: output}``.

    All branches run side by side. At every point they stop, a fusion layer exchanges their features, and each goes on
    with its own. Only the modules around the points are traced: all other layers stay as they are, one call
    each, under their own names (``branches.TASK...``, ``fusion.POINT...``).

    Args:
        branches: single-task networks by task name, each called with one image batch; adopted, not copied. A name is a
            word of at most 64 letters, digits and _.
        at: names of the layers after which they meet, in any order: one list for all branches, or one per branch (by
            task name, or in the branches' order), where the k-th layer of each, as executed, meet. A :class:`Point`
            declares a layer's layout. Layers may put out (B, C, H, W), (B, H, W, C), tokens, or a list, tuple or dict
            of these. Class and register tokens have no pixels: of AFA the channel gates alone mix them.
        fusion: called at each point as ``fusion(channels, tasks=N, size=(H, W))``, such as :class:`~afanet.fusion.AFA`
            or ``functools.partial(AFA, per_task=True)``; the module it returns takes and returns a list of N tensors.
            None where `at` is empty.
        share: a layer up to which all branches have one trunk, the first branch's; the parameters of the others'
            trunks are dropped, so the network keeps only the later layers of those branches. They may meet at its end.
        example: an image batch, or its shape, from which the features' shapes follow without computing anything;
            (1, 3, 224, 224) if None.
        adapt: where branches meet with features of different shapes, fuse them in the first branch's channels, height
            and width, through adapters (`afanet.networks.fitting.Fitting`).

    Returns:
        A module whose forward takes (B, 3, H, W) and returns a dict in the order of `branches`. ``code`` shows what it
        runs. Hooks on modules that enclose a point do not fire. A branch whose Python depends on its mode (functional
        dropout) is followed in both; the mode of the whole network decides which of the two runs.

    Raises:
        InputError: for a name that does not exist (the nearest is named) or cannot be written in code, a layer that is
            called twice, branches that disagree in shape, a layout that cannot be recognised, or a network that cannot
            be traced.

    >>> import torch
    >>> from afanet import AFA, weave
    >>> def net(outputs: int) -> torch.nn.Module:
    ...     layers = [torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    ...     return torch.nn.Sequential(*layers, torch.nn.Linear(8, outputs))
    >>> network = weave({"age": net(8), "gender": net(2)}, at=["1"], fusion=AFA, example=(1, 3, 32, 32))
    >>> {task: tuple(output.shape) for task, output in network(torch.rand(4, 3, 32, 32)).items()}
    {'age': (4, 8), 'gender': (4, 2)}
    >>> [name for name, _ in network.named_parameters()][-2:]
    ['fusion.1.sam.Q', 'fusion.1.sam.conv.weight']
    """
    return woven_of(branches, at, fusion, share=share, example=example, adapt=adapt)


def woven_of(
    branches: Mapping[str, nn.Module],
    at: Points | Sequence[Points] | Mapping[str, Points],
    fusion: Callable[..., nn.Module] | None,
    *,
    share: str | None = None,
    example: Tensor | Sequence[int] | None = None,
    adapt: bool = False,
    unused: bool = False,
) -> Woven:
    """What `weave` makes; with `unused`, branches may meet at layers whose features their outputs do not use."""
    tasks = _checked_tasks(branches)
    points = points_by_task(tasks, at)
    _require_fusion(fusion, needed=bool(points[tasks[0]]))
    named = {task: [point.name for point in points[task]] for task in tasks}
    named = {task: [*names, *([share] if share and share not in names else [])] for task, names in named.items()}
    if not any(named.values()):
        return Woven(branches, {}, dict.fromkeys((False, True), _side_by_side(branches)))
    for task in tasks:
        require_layers(task, branches[task], named[task])

    joining = Joining(branches, points, fusion, share, _example(branches, example), adapt)
    try:
        woven = joining.by_tracing()
        require_sound(woven, joining.records, joining.stops, share, unused)
    except UntraceableError:
        woven = joining.by_coroutines()
        require_sound(woven, joining.records, joining.stops, share, unused)
    woven.declared = joining.declared
    return woven


def require_task_names(tasks: Iterable[object]) -> None:
    """Raise `InputError` for a name that cannot be an attribute of a module or is no word in Python."""
    for task in tasks:
        if fault := name_fault(task, ATTRIBUTES):
            raise InputError(
                f"{task!r:.80} cannot name a task, since it {fault}: parameters are called branches.TASK..., so choose "
                "a plain word"
            )


def _checked_tasks(branches: Mapping[str, nn.Module]) -> list[str]:
    if not isinstance(branches, Mapping):
        raise InputError(
            f"weave got branches as a {type(branches).__name__}: expected a dict of networks by task name, such as "
            "{'depth': network, 'age': another}"
        )
    if not branches:
        raise InputError("weave got no branches: expected single-task networks by task name")
    require_task_names(branches)
    for task, branch in branches.items():
        if not isinstance(branch, nn.Module):
            raise InputError(f"branch '{task}' is a {type(branch).__name__}: expected a torch.nn.Module")
        if sum(candidate is branch for candidate in branches.values()) > 1:
            raise InputError(f"branch '{task}' is the same object as another: pass copy.deepcopy of it, or use `share`")
    return list(branches)


def _require_fusion(fusion: object, needed: bool) -> None:
    """Raise `InputError` for what cannot make a fusion layer for each meeting."""
    if fusion is None and needed:
        raise InputError("weave got layers to meet `at` but no fusion layer: pass one, such as afanet.AFA")
    if isinstance(fusion, nn.Module):
        raise InputError(
            f"`fusion` is a module of class {type(fusion).__name__}: expected the class itself, or another callable "
            "that makes a new layer for each point"
        )
    if fusion is not None and not callable(fusion):
        raise InputError(
            f"`fusion` is {shown(fusion)}: expected a class such as afanet.AFA; afanet.create_network takes methods by "
            "name"
        )


def _side_by_side(branches: Mapping[str, nn.Module]) -> Program:
    graph = fx.Graph()
    image = graph.placeholder("image")
    calls = {
        task: graph.call_module(f"branches.{task}", *(((), {IMAGE: image}) if takes_by_name(branch) else ((image,),)))
        for task, branch in branches.items()
    }
    graph.output(calls)
    return Program(graph)


def _example(branches: Mapping[str, nn.Module], example: Tensor | Sequence[int] | None) -> Tensor:
    shape = example.shape if isinstance(example, Tensor) else (1, 3, 224, 224) if example is None else tuple(example)
    if len(shape) != 4:
        raise InputError(
            f"example has the shape {tuple(shape)}: expected an image batch, (batch, channels, height, width)"
        )
    like = example if isinstance(example, Tensor) else next(_floating_parameters(branches), torch.empty(0))
    # at least two images: batch norm refuses one value a channel in training
    return like.new_empty(()).expand(max(2, shape[0]), *shape[1:])


def _floating_parameters(branches: Mapping[str, nn.Module]) -> Iterator[Tensor]:
    for branch in branches.values():
        yield from (parameter for parameter in branch.parameters() if parameter.is_floating_point())
