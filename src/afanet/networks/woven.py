"""The woven network: branches, fusion layers, and the program that runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from afanet.errors import InputError, unknown
from afanet.names import chosen_tasks
from afanet.networks.coroutines import Coroutines
from afanet.networks.frozen import KeepsFrozen
from afanet.networks.gate import require_plain_graph, require_plain_source
from afanet.networks.lora.settings import Adapters
from afanet.networks.only import source_for
from afanet.networks.trunk import Trunk

SHARED_EXPERT = "shared-expert"  # in `fusion`, the name of a branch that belongs to no task; no task can have this name


class Branches(nn.Module):
    """The branches of a woven network: each is an attribute, ``branches.age``, and an item, ``branches["age"]``."""

    def __getitem__(self, task: str) -> nn.Module:
        names = list(self)
        if task not in names:
            raise unknown("task", str(task), names)
        return self.get_submodule(task)

    def __iter__(self) -> Iterator[str]:
        """The tasks' names, in the order of the outputs."""
        return (name for name, _ in self.named_children())


class Woven(KeepsFrozen):
    """Several single-task networks in one: an image in, ``{task: output}`` out.

    Made by :func:`~afanet.networks.weaving.weave`.

    Attributes:
        branches: the single-task networks by task name, as attributes and as items.
        fusion: the fusion layers, under the names of the layers that they follow.
        programs: the program for each mode: True for training, False for evaluation.
        weights_report: a line on the weights that were loaded and the parts that are frozen; empty if there are none.
        frozen: the paths of modules that stay in evaluation mode.
        trunk: the frozen trunk that all tasks share; None if there is none.
        notes: one line for each requested option that the backbone cannot have.
        blocks: the paths of its backbones' blocks, each once.
        adapters: the adapters of its branches, see :func:`~afanet.networks.create_network`; None if there are none.
        members: by fusion layer, the tasks that meet in it, counted from 0.
        decodes: whether a decoder stands between backbones and heads; in training it may also give initial predictions
            as ``TASK.0``, ``TASK.1`` and so on.
        declared: (H, W) of a grid of tokens and (H, W) of its images, if the grid is known only from a declaration.
    """

    def __init__(
        self,
        branches: Mapping[str, nn.Module],
        fusion: Mapping[str, nn.Module],
        programs: Mapping[bool, Program | Coroutines],
    ) -> None:
        super().__init__()
        self.branches = Branches()
        self.fusion = nn.Module()
        for task, branch in branches.items():
            plant(self.branches, task, branch)
        for point, layer in fusion.items():
            plant(self.fusion, point, layer)
        self.programs = dict(programs)
        self.weights_report = ""
        self.trunk: Trunk | None = None
        self.notes: list[str] = []
        self.blocks: list[str] = []
        self.adapters: Adapters | None = None
        self.members: dict[str, tuple[int, ...]] = {}
        self.decodes = False
        self.declared: tuple[int, int, int, int] | None = None

    def forward(self, image: Tensor, tasks: Sequence[str] | None = None) -> dict[str, Any]:
        """The outputs of all tasks, or only of `tasks`, for a batch of images (B, C, H, W).

        With `tasks`, only the parts on which their outputs depend are computed. In evaluation mode each output equals
        that of a pass for all tasks, bit for bit. The outputs are in the order of the attribute `tasks`.

        Raises:
            InputError: for a task that the network does not have or that is named twice, or for no task.
        """
        if (declared := getattr(self, "declared", None)) is not None:
            _require_grid(declared, image)
        program = self.programs[self.training]
        return program(self, image) if tasks is None else self._program_for(tasks)(self, image)

    def supervised(self, image: Tensor) -> dict[str, Any]:
        """Everything that learns from labels, in any mode: the outputs and, if there are any, initial predictions."""
        return self.programs[True](self, image) if self.decodes else self(image)

    def code_for(self, tasks: Sequence[str]) -> str:
        """The code that runs for some tasks in the network's current mode; errors are those of `forward`.

        >>> from afanet import Pooled, create_network
        >>> network = create_network("single", {"age": Pooled(8), "mood": Pooled(7)}, "resnet18", size=(32, 32))
        >>> print(network.code_for(["mood"]).strip())
        def forward(self, image):
            branches_mood = self.branches.mood(image);  image = None
            return {'mood': branches_mood}
        """
        return self._program_for(tasks).source

    def _program_for(self, tasks: Sequence[str]) -> Program | Coroutines:
        """The program for some tasks; it is made once for each mode."""
        name: str = self._prepared(tasks)
        return self.programs[self.training].parts[name]

    # A compiled network makes the program while it compiles.
    @torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
    def _prepared(self, tasks: Sequence[str]) -> str:
        program, chosen = self.programs[self.training], chosen_tasks(tasks, self.tasks)
        name, parts = " ".join(chosen), cast(dict[str, Any], program.parts)
        if name not in parts:
            parts[name] = program if chosen == self.tasks else program.only(self, chosen)
        return name

    @property
    def tasks(self) -> list[str]:
        """The tasks' names, in the order of the outputs."""
        return list(self.branches)

    def maps(self, task: str) -> set[str]:
        """The paths of a branch's layers whose height and width are read; empty unless it runs as a coroutine."""
        stops = [
            stop for program in self.programs.values() if isinstance(program, Coroutines) for stop in program.stops
        ]
        return {f"branches.{task}.{layer}" for stop in stops for layer in stop.maps[task]}

    @property
    def code(self) -> str:
        """What runs in the network's current mode: Python code, or a description of the coroutines in words."""
        return self.programs[self.training].source

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the network in place with `torch.compile`; raises `InputError` if its branches run as coroutines."""
        if any(isinstance(program, Coroutines) for program in self.programs.values()):
            raise InputError(
                "the network cannot be compiled, because its branches cannot be traced and run as coroutines: leave "
                "`compile` out, or compile layers of its branches"
            )
        super().compile(*args, **kwargs)


class Program:
    """A graph as a function of a module and an image; kept as source, so that it can be copied, pickled and read.

    The source contains names of layers and tasks. It becomes code, here and in copies, only after the checks in `gate`.

    Raises:
        InputError: for a graph with anything that would not be an identifier or a plain value in the source.
    """

    def __init__(self, graph: fx.Graph) -> None:
        require_plain_graph(graph)
        code = graph.python_code("self")
        self._begin(code.src.strip() + "\n", code.globals)

    def __call__(self, module: nn.Module, image: Tensor) -> dict[str, Any]:
        return self._function(module, image)

    def only(self, network: nn.Module, tasks: Sequence[str]) -> Program:
        """A program for some tasks, with only the steps on which their outputs depend."""
        part = Program.__new__(Program)
        source = source_for(require_plain_source(self.source, self.names), tasks, network)
        part._begin(source, self.names)
        return part

    def _begin(self, source: str, names: dict[str, Any]) -> None:
        self.source, self.names = source, names
        self._function = self._compile()
        self.parts: dict[str, Program] = {}

    def _compile(self) -> Callable[[nn.Module, Tensor], dict[str, Any]]:
        scope = dict(self.names)
        tree = require_plain_source(self.source, self.names)
        exec(compile(tree, "<woven network>", "exec"), scope)
        return cast(Callable[[nn.Module, Tensor], dict[str, Any]], scope["forward"])

    def __getstate__(self) -> dict[str, Any]:
        modules = {name: value.__name__ for name, value in self.names.items() if isinstance(value, ModuleType)}
        plain = {name: value for name, value in self.names.items() if name not in modules}
        return {"source": self.source, "modules": modules, "others": plain}

    def __setstate__(self, state: dict[str, Any]) -> None:
        modules = {name: import_module(module) for name, module in state["modules"].items()}
        self._begin(state["source"], state["others"] | modules)


def _require_grid(declared: tuple[int, int, int, int], image: Tensor) -> None:
    """Raise `InputError` for images whose height and width do not fit the declared grid of tokens."""
    *grid, height, width = declared
    now = image.shape[-2:]
    if any(abs(n * cells - size * cells) >= size for n, cells, size in zip(now, grid, (height, width), strict=True)):
        raise InputError(
            f"an image of {now[0]}x{now[1]} has another grid of tokens than {grid[0]}x{grid[1]}, which was declared "
            f"for {height}x{width}: use images of the example's size, or name the layer that has their grid as "
            "Layout('BNC', prefix=..., grid=..., grid_of=LAYER)"
        )


def plant(root: nn.Module, path: str, item: nn.Module | Tensor | None) -> None:
    """Put a module, parameter or buffer at a dotted path, and create missing modules on the way."""
    *parents, name = path.split(".")
    for parent in parents:
        if parent not in dict(root.named_children()):
            root.add_module(parent, nn.Module())
        root = root.get_submodule(parent)
    if isinstance(item, nn.Parameter):
        root.register_parameter(name, item)
    elif isinstance(item, nn.Module):
        root.add_module(name, item)
    else:
        root.register_buffer(name, item)
