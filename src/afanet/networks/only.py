"""A network's code for some of its tasks: only the steps on which their outputs depend, in their order."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from torch import nn

FACTS = {"shape", "size", "dim", "dtype", "device"}  # attributes of a tensor that are not views of it

Names = frozenset[str]


def source_for(tree: ast.Module, tasks: Collection[str], network: nn.Module) -> str:
    """The code for some tasks, made from the code for all, which returns ``{task: output}``.

    A step is left out if no later step reads the value that it makes or changes in place. A value is deleted after the
    last step that reads it.

    Args:
        tree: one function of plain steps without branches and loops; each value has its own name.
        tasks: the tasks whose outputs are needed.
        network: the network that the code runs; its layers show whether they change their inputs.

    >>> code = '''def forward(self, image):
    ...     stem = self.stem(image);  image = None
    ...     near = self.near(stem)
    ...     far = self.far(stem);  stem = None
    ...     return {'near': near, 'far': far}'''
    >>> layers = nn.ModuleDict({name: nn.Linear(1, 1) for name in ("stem", "near", "far")})
    >>> print(source_for(ast.parse(code), ["near"], layers).strip())
    def forward(self, image):
        stem = self.stem(image);  image = None
        near = self.near(stem);  stem = None
        return {'near': near}
    """
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    *steps, end = _Reading(function, network).steps()
    outputs = _chosen(end.code, tasks)
    needed = {name: end.roots[name] for name in _names(outputs) if name in end.roots}
    lines = [f"return {ast.unparse(outputs)}"]
    for step in reversed(steps):
        if step.makes in needed or not step.changes.isdisjoint(frozenset().union(*needed.values())):
            last = [name for name in step.roots if name not in needed]
            lines.insert(0, ast.unparse(step.code) + (f";  {' = '.join(last)} = None" if last else ""))
            needed |= step.roots
    header = f"def {function.name}({ast.unparse(function.args)}):"
    return "\n    ".join([header, *lines]) + "\n"


@dataclass(frozen=True)
class _Step:
    """One step: the value that it makes, the values that it changes in place, and the roots of every value in it.

    The roots of a value are the names of the values whose memory it may share.
    """

    code: ast.stmt
    makes: str
    changes: Names
    roots: dict[str, Names]


class _Reading:
    """Reads a function step by step, and keeps track of the values that may share memory."""

    def __init__(self, function: ast.FunctionDef, network: nn.Module) -> None:
        self.network = network
        self.code = [node for node in function.body if not _is_deletion(node)]
        self.me, *given = (argument.arg for argument in function.args.args)
        self.roots = {name: frozenset({name}) for name in given}
        self.read = {name for node in self.code for name in _names(node, ast.Load)}

    def steps(self) -> Iterator[_Step]:
        """The steps; the last one is the return."""
        for code in self.code:
            makes, changes = "", frozenset[str]()
            if isinstance(code, ast.Assign) and isinstance(code.targets[0], ast.Name):
                makes = code.targets[0].id
                changes = self._changed(code.value, is_read=makes in self.read)
                self.roots[makes] = self._roots(code.value) or frozenset({makes})
            elif isinstance(code, ast.Assign | ast.AugAssign):
                changes = self._roots(code.target if isinstance(code, ast.AugAssign) else code.targets[0])
            yield _Step(code, makes, changes, {name: self.roots[name] for name in _names(code) if name in self.roots})

    def _roots(self, value: ast.AST | None) -> Names:
        """The names of the values whose memory a value may share; none for a new value."""
        path = self._path(value)
        if path is not None:
            return frozenset({path})  # a parameter or buffer
        match value:
            case ast.Name():
                return self.roots.get(value.id, frozenset())
            case ast.Attribute() if value.attr not in FACTS:
                return self._roots(value.value)
            case ast.Subscript() | ast.Starred():
                return self._roots(value.value)
            case ast.Tuple() | ast.List():
                return self._all(value.elts)
            case ast.Dict():
                return self._all(value.values)
            case ast.Call():
                layer = self._path(value.func)
                if layer is None:
                    return self._roots(_subject(value, self.roots))
                return self._all(_given(value)) if _passes_on(self.network.get_submodule(layer)) else frozenset()
        return frozenset()

    def _changed(self, value: ast.expr, is_read: bool) -> Names:
        """The values that a call changes in place; all its arguments if nothing reads its result."""
        if not isinstance(value, ast.Call):
            return frozenset()
        layer = self._path(value.func)
        if not is_read or (layer is not None and _works_in_place(self.network.get_submodule(layer))):
            return self._all([value.func, *_given(value)])
        in_place = any(x.arg == "inplace" and getattr(x.value, "value", True) for x in value.keywords)
        called = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        if layer is None and (in_place or (called.endswith("_") and not called.endswith("__"))):
            return self._roots(_subject(value, self.roots))
        return frozenset()

    def _all(self, values: Iterable[ast.AST | None]) -> Names:
        return frozenset[str]().union(*map(self._roots, values))

    def _path(self, value: ast.AST | None) -> str | None:
        """The path of a layer or parameter of the network; None for any other value."""
        match value:
            case ast.Name(id=self.me):
                return ""
            case ast.Attribute(value=outer, attr=name):
                pass
            case ast.Call(func=ast.Name(id="getattr"), args=[outer, ast.Constant(value=str(name))]):
                pass
            case _:
                return None
        start = self._path(outer)
        return None if start is None else f"{start}.{name}".lstrip(".")


def _subject(call: ast.Call, values: Collection[str]) -> ast.AST | None:
    """The value that a method or function works on: the method's object, or the first argument."""
    if isinstance(call.func, ast.Attribute) and any(name in values for name in _names(call.func)):
        return None if call.func.attr in FACTS else call.func.value
    return next(iter(_given(call)), None)


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _passes_on(layer: nn.Module) -> bool:
    """Whether a layer may return its input or a view of it; layers with parameters make new tensors."""
    return next(layer.parameters(), None) is None


def _works_in_place(layer: nn.Module) -> bool:
    """Whether a layer may change its input: something in it works in place before its first parameters."""
    inner = takewhile(_passes_on, (module for module in layer.modules() if not [*module.children()]))
    return any(getattr(module, "inplace", False) for module in inner)


def _chosen(end: ast.stmt, tasks: Collection[str]) -> ast.Dict:
    """The returned outputs, restricted to some tasks, in their order."""
    assert isinstance(end, ast.Return)
    assert isinstance(end.value, ast.Dict)
    pairs = zip(end.value.keys, end.value.values, strict=True)
    named = [(key, value) for key, value in pairs if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    chosen = [(key, value) for key, value in named if str(key.value).partition(".")[0] in tasks]
    return ast.Dict(keys=[key for key, _ in chosen], values=[value for _, value in chosen])


def _is_deletion(node: ast.stmt) -> bool:
    """Whether a step only sets names to None, which frees values after their last use."""
    if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
        return False
    return isinstance(node.value, ast.Constant) and node.value.value is None


def _names(node: ast.AST, context: Any = ast.expr_context) -> Iterator[str]:
    return (x.id for x in ast.walk(node) if isinstance(x, ast.Name) and isinstance(x.ctx, context))
