"""Which tensors of one network continue in another: by name, part by part, and from a shared trunk to branches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from afanet.errors import InputError
from afanet.networks.woven import SHARED_EXPERT, Woven
from afanet.training.starting.source import Source, fresh_head

SHARED = "shared backbone"  # the part that no task has for itself, in a mixture of experts


@dataclass(frozen=True)
class Fit:
    """A part of a network, and for each of its tensors the name in the earlier run; none if the part is fresh."""

    part: str
    names: Mapping[str, str | None]

    @property
    def taken(self) -> int:
        """The number of tensors that are taken."""
        return sum(name is not None for name in self.names.values())


def fits(network: Woven, source: Source, fresh: Collection[str]) -> list[Fit]:
    """What each part of a network takes from a run: the whole part, or nothing.

    A branch's backbone comes from the task in the run, or from the trunk that the task shared. A trunk comes from that
    of the run, or from the first task that the run has; so does a backbone that all tasks share beside their own.
    Raises `InputError` for a part that the run has in another form, and if nothing fits.
    """
    found = []
    for part, names in parts(network).items():
        tasks = [task for task in network.tasks if task in source.tasks]
        owner = part.partition(" of ")[2]
        if _is_fresh(part, owner, fresh) or (owner and owner not in source.tasks):
            found.append(Fit(part, dict.fromkeys(names)))
            continue
        leader = next(iter(source.tasks))
        old = tasks[:1] if part in ("trunk", SHARED) else [owner]
        candidates = {name: _candidates(name, old, leader) for name in names}
        chosen = {
            name: next((other for other in others if other in source.weights), None)
            for name, others in candidates.items()
        }
        fit = Fit(part, chosen)
        _require_whole(fit, network, source)
        found.append(fit)
    if not any(fit.taken for fit in found):
        raise InputError(
            f"nothing of {source.name} (method {source.recipe.network.method}, tasks {', '.join(source.tasks)}) fits "
            f"this network (tasks {', '.join(network.tasks)}): give a run with one of these tasks"
        )
    return found


def load(network: Woven, source: Source, found: Collection[Fit]) -> None:
    """Load the parts that fit; raises `InputError` for a tensor of another shape."""
    expected = network.state_dict()
    for fit in found:
        for name, other in fit.names.items():
            if other is not None and source.weights[other].shape != expected[name].shape:
                raise InputError(
                    f"'{other}' in {source.name} is {tuple(source.weights[other].shape)}, expected "
                    f"{tuple(expected[name].shape)}: start this part afresh with --fresh {_flag(fit.part)}"
                )
    state = {name: source.weights[other] for fit in found for name, other in fit.names.items() if other is not None}
    network.load_state_dict(state, strict=False)


def parts(network: Woven) -> dict[str, list[str]]:
    """The names of a network's tensors by part: `trunk`, `backbone of TASK`, `head of TASK` and `fusion`.

    A backbone that all tasks share beside their own is the `shared backbone`. A task's own share of the layers between
    tasks, such as its attention in mtan, is `fusion of TASK`.

    >>> from afanet import Pooled, create_network
    >>> network = create_network("hard", {"age": Pooled(8), "gender": Pooled(2)}, "resnet18", size=(64, 64))
    >>> {part: len(names) for part, names in parts(network).items()}
    {'trunk': 120, 'head of age': 2, 'head of gender': 2}
    """
    state = network.state_dict()
    by_part: dict[str, list[str]] = {}
    for name in state:
        by_part.setdefault(_part(name, state, network.tasks), []).append(name)
    return by_part


def _part(name: str, state: Mapping[str, Tensor], tasks: Collection[str]) -> str:
    where, task, *rest = name.split(".")
    if task == SHARED_EXPERT:
        return SHARED
    if where != "branches":
        return f"fusion of {task}" if task in tasks else "fusion"
    if rest[0] != "backbone":
        return f"{rest[0]} of {task}"
    others = [f"branches.{other}.{'.'.join(rest)}" for other in tasks if other != task]
    own = state[name].data_ptr()
    if others and not all(other in state and (state[other].data_ptr() != own or not own) for other in others):
        return "trunk"
    return f"backbone of {task}"


def _candidates(name: str, old: Collection[str], leader: str) -> Iterator[str]:
    """The names under which the run may have the tensor `name`: its own, in a task's branch, or in the trunk."""
    where, owner, *rest = name.split(".")
    own = where == "branches" and rest[0] == "backbone"
    if not own:
        yield name
    if own or owner == SHARED_EXPERT:
        for other in (*old, leader):
            yield ".".join(["branches", other, *rest])


def _is_fresh(part: str, task: str, fresh: Collection[str]) -> bool:
    kind = part.partition(" ")[0]
    if kind == "head":
        return fresh_head(task, fresh)
    names = {"trunk": {"backbone"}, "fusion": {"fusion", f"task:{task}"}}
    return bool(names.get(kind, {"backbone", f"backbone.{task}", f"task:{task}"}) & set(fresh))


def _flag(part: str) -> str:
    kind, _, task = part.partition(" of ")
    return {"trunk": "backbone", SHARED: "backbone", "fusion": "fusion"}.get(kind, f"{kind}.{task}")


def _require_whole(fit: Fit, network: Woven, source: Source) -> None:
    """Raise `InputError` for a part that the run has in another form: for other tasks, or without some tensors."""
    kind, _, task = fit.part.partition(" of ")
    members = range(len(network.tasks)) if network.decodes else next(iter(network.members.values()), ())
    ours, theirs = [network.tasks[number] for number in members], source.first_tasks
    if kind == "fusion" and (network.decodes or not task) and fit.taken and ours != theirs:
        otherwise = "" if network.decodes else ", or add tasks with --freeze old"
        raise InputError(
            f"the fusion layers of {source.name} join the tasks {', '.join(theirs)}, and those of this network "
            f"{', '.join(ours)}: start them afresh with --fresh fusion{otherwise}"
        )
    missing = [name for name, other in fit.names.items() if other is None]
    if not missing or not fit.taken:
        return
    raise InputError(
        f"{source.name} has another {fit.part} than this network, without '{missing[0]}' ({fit.taken} of "
        f"{len(fit.names)} tensors fit): use the `network` keys of that run, or start this part afresh with --fresh "
        f"{_flag(fit.part)}"
    )


def described(found: Collection[Fit], source: Source) -> list[str]:
    """The lines of a table: what each part begins with, and what is not used of the run."""
    rows = {fit.part: f"{fit.taken} tensors of {source.name}" if fit.taken else "fresh" for fit in found}
    wide = max(map(len, rows))
    lines = [f"  {part:{wide}}  {begins}" for part, begins in rows.items()]
    used = {name for fit in found for name in fit.names.values()}
    left = dict.fromkeys(_heading(name) for name in source.weights if name not in used)
    return [*lines, f"  not used of it: {', '.join(left)}"] if left else lines


def _heading(name: str) -> str:
    where, task, *rest = name.split(".")
    return f"{rest[0]} of {task}" if where == "branches" else "fusion"
