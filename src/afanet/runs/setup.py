"""From a recipe to the parts of a run: data, tasks, network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from afanet.data import Data, open_data, options_of
from afanet.data.cache import config_folder, use_cache
from afanet.data.checks.grouped import grouped
from afanet.data.checks.leaks import leaks
from afanet.data.steps import with_normalisation, with_resize, with_unlabelled
from afanet.errors import InputError, unknown
from afanet.limits import MOST_TASKS
from afanet.networks import Woven, create_network
from afanet.networks.freeze import SEVERAL, freeze_plan
from afanet.networks.frozen import freeze_norms
from afanet.outside import short_name
from afanet.progress import say
from afanet.recipe.code import require_code
from afanet.recipe.freezing import added_groups, frozen_in_form
from afanet.recipe.preprocessing import normalisation
from afanet.recipe.schema import Recipe
from afanet.runs.weights import load_weights
from afanet.tasks import Described, Description, Task, read_task
from afanet.tasks.loss_options import choose_loss

LINES = 12  # the most errors in the data that are listed


def open_whole(recipe: Recipe, needed: Sequence[str] = ("train", "test")) -> Data:
    """The recipe's whole data set, checked.

    Raises `InputError` for data that cannot be used, for problems in their labels, for a person or scene in two splits,
    for a `needed` split without a sample, and for outside code as `require_code` does.
    """
    require_code(recipe)
    data = _open_streamed(recipe) if recipe.data.stream else _open_files(recipe)
    data = as_taken(data, recipe)
    problems = [*data.problems, *(data.lacking if needed else ()), *leaks(data)]
    if problems:
        if len(problems) == 1:
            raise InputError(problems[0])
        lines = "".join(f"\n  {line}" for line in grouped(problems)[:LINES])
        raise InputError(f"the data have {len(problems)} errors, and `afanet data check` lists all:{lines}")
    for name in needed:
        if not len(data.splits[name]):
            raise InputError(f"data set '{recipe.data.name}' has no sample in its split {name}: training needs both")
    return data


def how_to_validate(recipe: Recipe) -> str:
    """What gives the recipe's data a validation split, if they have none, as a clause for messages."""
    for option in options_of(recipe.data.name):
        if option.startswith("validation"):
            return f"ask for one by data.options.{option}"
    if recipe.data.name == "manifest":
        return "write 'validation' into the column 'split' of some rows"
    return "it has no option for one: list its images in a manifest, with 'validation' in the column 'split' of some"


def _open_files(recipe: Recipe) -> Data:
    data = open_data(recipe.data.name, recipe.data.root, recipe.data.size, **recipe.data.options)
    return with_resize(with_unlabelled(data) if recipe.distill else data, recipe.data.resize)


def _open_streamed(recipe: Recipe) -> Data:
    from afanet.data.streams.read import open_stream  # here, because a finished network predicts without data

    if recipe.data.resident:
        raise InputError(
            "data.resident keeps all samples in memory, but data.stream keeps a few shards on disk: leave one of them "
            "out"
        )
    data = open_stream(str(recipe.data.stream), stream_config(recipe), recipe.data.stream_cache, say)
    taken = normalisation(recipe.network).channels
    if taken != data.normalisation.channels:
        raise InputError(
            f"the stream {recipe.data.stream} was written for a network with {data.normalisation.channels} channels, "
            f"but this one takes {taken}: write another stream with this recipe"
        )
    return data


def as_taken(data: Data, recipe: Recipe) -> Data:
    """The data with images as the recipe's network takes them; raises `InputError` as `with_normalisation` does."""
    return with_normalisation(data, normalisation(recipe.network))


def open_tasks(recipe: Recipe, described: Mapping[str, Description] | None = None) -> tuple[Data, dict[str, Task]]:
    """The recipe's data, from their cache if there is one, and the tasks of its network.

    A task that the recipe starts from an earlier run and keeps frozen need not be in the data. If it is missing, it is
    unlabelled, and `described` or else that run says what it is. Raises `InputError` for data that cannot be used, and
    for any other task that they do not have.
    """
    data, cache = use_cache(open_whole(recipe), data_cache(recipe))
    data = _with_old_tasks(data, recipe, described)
    if cache:
        say(f"reading samples from the cache {cache}")
    tasks = choose_tasks(recipe, data)
    for name in recipe.losses:
        if name not in tasks:
            raise unknown("task under losses", name, tasks)
    return data, tasks | {name: choose_loss(tasks[name], options) for name, options in recipe.losses.items()}


def choose_tasks(recipe: Recipe, data: Data) -> dict[str, Task]:
    """The tasks that the recipe trains: first those of the run that it starts from, in their order, then the others.

    Raises `InputError` for a task that the data do not have.
    """
    wanted = recipe.tasks or tuple(data.tasks)
    if SEVERAL in freeze_plan(recipe.network.freeze):
        wanted = (*recipe.old_tasks, *wanted)
    for name in wanted:
        if name not in data.tasks:
            problem = unknown(f"task of data set {recipe.data.name}", name, data.tasks)
            by_option = name in options_of(recipe.data.name)  # as nyuv2 has normals
            raise InputError(f"{problem}; data.options.{name} true gives it") if by_option else problem
    old = [name for name in recipe.old_tasks if name in wanted]
    return {name: data.tasks[name] for name in dict.fromkeys([*old, *wanted])}


def _with_old_tasks(data: Data, recipe: Recipe, described: Mapping[str, Description] | None) -> Data:
    """The data, with frozen tasks of the earlier run that have no labels in them."""
    absent = [name for name in recipe.old_tasks if name not in data.tasks]
    if not absent or SEVERAL not in freeze_plan(recipe.network.freeze):
        return data
    if not described:
        from afanet.runs.run import load_run  # which imports this module

        described = load_run(str(recipe.start_from)).described
    kept = {name: read_task(described[name]) for name in absent if name in described}
    return replace(data, tasks=data.tasks | kept)


def data_cache(recipe: Recipe) -> Path:
    """The folder of the caches of the recipe's data."""
    of_training = {"name", "crop", "features", "resident", "stream", "stream_cache"}
    return config_folder(recipe.data.name, recipe.data.model_dump(mode="json", exclude=of_training))


def stream_config(recipe: Recipe) -> dict[str, Any]:
    """The keys that decide the samples of a stream, without the location of the original files."""
    kept = recipe.data.model_dump(mode="json", include={"size", "resize", "options"})
    return {"name": short_name(recipe.data.name), **kept}


def build_network(recipe: Recipe, tasks: Mapping[str, Described], weights: str) -> Woven:
    """The recipe's network for these tasks, with `weights` in its backbones; raises `InputError` for too many tasks."""
    if len(tasks) > MOST_TASKS:
        raise InputError(f"there are {len(tasks):,} tasks, expected at most {MOST_TASKS:,}: choose some with tasks")
    require_code(recipe)
    options: dict[str, Any] = {} if recipe.network.guard is None else {"limit": recipe.network.guard}
    options |= {name: True for name in ("per_task", "alive") if getattr(recipe.network, name)}
    if recipe.network.lora is not None:
        options["lora"] = recipe.network.lora.model_dump()
    network = create_network(
        recipe.network.method,
        {name: task.output for name, task in tasks.items()},
        recipe.network.backbone,
        weights=weights,
        partial=recipe.network.partial,
        size=recipe.network.made_for or recipe.data.window,
        output_stride=recipe.network.output_stride,
        multi_grid=recipe.network.multi_grid,
        taps=recipe.network.taps,
        meet=recipe.network.meet,
        trunk=recipe.network.trunk,
        head=recipe.network.head,
        freeze=frozen_in_form(recipe),
        added=added_groups(recipe, tasks),
        in_chans=recipe.network.in_chans,
        **options,
    )
    if recipe.network.freeze_norm:
        freeze_norms(network)
    return network


def load_network(recipe: Recipe, tasks: Mapping[str, Described], weights: Path) -> nn.Module:
    """The recipe's network for these tasks, with weights from a run's file; raises as `load_weights` does."""
    network = build_network(recipe, tasks, weights="none")
    load_weights(network, weights)
    return network


@contextmanager
def plain_errors() -> Iterator[None]:
    """A context that raises a worker's error as it was, without the traceback that loaders wrap around it.

    If a worker was killed, it raises `InputError`.
    """
    try:
        yield
    except InputError as error:
        raise type(error)(str(error).strip().rpartition(f"{type(error).__name__}: ")[2]) from None
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise InputError(
            f"a process that reads samples was killed, perhaps for lack of memory: lower workers ({error})"
        ) from None


@contextmanager
def deterministic() -> Iterator[None]:
    """A context with sums in a fixed order where torch supports this; some CUDA operations do not, and still run."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*deterministic")
        warnings.filterwarnings(
            "ignore", message="Grad strides do not match"
        )  # of 1x1 kernels, whose layouts are equal
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
