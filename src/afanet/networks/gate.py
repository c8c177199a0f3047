"""The last check before a graph becomes Python code: it refuses everything that is not provably plain."""

from __future__ import annotations

import ast
import enum
from collections.abc import Mapping
from types import EllipsisType, ModuleType, NoneType
from typing import Any

import torch
from torch import fx

from afanet.errors import InputError
from afanet.names import layer_fault

# Types whose `repr`, which fx writes into the code, cannot come from a user's class.
PLAIN = (NoneType, bool, int, float, complex, str, range, EllipsisType)
OF_TORCH = (torch.dtype, torch.device, torch.layout, torch.memory_format)
# Names that fx writes in addition to those of the graph and of the functions that it calls.
BUILTINS = {"getattr", "slice", "range", "complex", "Ellipsis"}
# All syntax that a graph's code consists of: assignments, calls, operators, and their arguments.
SYNTAX = (
    *(ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr),
    *(ast.Name, ast.Attribute, ast.Call, ast.keyword, ast.Constant, ast.Subscript, ast.Slice, ast.expr_context),
    *(ast.Tuple, ast.List, ast.Dict, ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop),
)


def require_plain_graph(graph: fx.Graph) -> None:
    """Raise `InputError` for a graph whose code, as fx writes it, would hold more than identifiers and plain values.

    fx writes the names of layers, methods, keywords and functions as they are, and constants by their `repr`.
    """
    for node in graph.nodes:
        target = str(node.target)
        fault = None if node.name.isidentifier() else "has a name that is not an identifier"
        if node.op in ("call_module", "get_attr"):
            fault = fault or layer_fault(target)
        elif node.op == "call_function":
            written = f"{getattr(node.target, '__module__', '')}.{getattr(node.target, '__name__', '')}"
            if written.startswith("torch") and not _are_words(written):  # fx turns all others into identifiers
                fault = fault or "has a name that is not an identifier"
        elif not _are_words(target):
            fault = fault or "has a name that is not an identifier"
        if not all(map(_are_words, node.kwargs)):
            fault = fault or "is called with a keyword that is not an identifier"
        if node.type is not None or not _is_plain((node.args, node.kwargs)):
            fault = fault or "is called with a value that is not plain"
        if fault:
            raise InputError(
                f"the network cannot be written as code, because {target!r:.120} {fault}: rename it, or move this call "
                "into a layer of its own"
            )


def require_plain_source(source: str, names: Mapping[str, Any]) -> ast.Module:
    """The parsed code of a graph; raises `InputError` unless it is one function of plain steps.

    `names` are the globals of the code. This second check does not depend on how fx writes code.

    >>> _ = require_plain_source("def forward(self, image):\\n    return self.stem(image)", {})
    >>> require_plain_source("def forward(self, image):\\n    return __import__('os')", {})
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: the network's code has __import__ in line 2, which no graph has: weave it again
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError("the network's code is not valid Python: weave it again") from None
    known = {*names, *BUILTINS}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            known.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    for node in (inner for statement in tree.body for inner in ast.walk(statement)):
        odd = None
        if not isinstance(node, SYNTAX):
            odd = type(node).__name__
        elif isinstance(node, ast.Name) and node.id not in known:
            odd = node.id
        elif isinstance(node, ast.Attribute) and (node.attr.startswith("__") or _leads_elsewhere(node, names)):
            odd = node.attr
        if odd:
            line = getattr(node, "lineno", 1)
            raise InputError(f"the network's code has {odd} in line {line}, which no graph has: weave it again")
    return tree


def _are_words(dotted: str) -> bool:
    return all(part.isidentifier() for part in dotted.split("."))


def _is_plain(value: Any) -> bool:
    if isinstance(value, fx.Node) or type(value) in (*PLAIN, *OF_TORCH):
        return True
    if isinstance(value, enum.Enum):
        return value.name.isidentifier()
    if isinstance(value, slice):
        return _is_plain((value.start, value.stop, value.step))
    if isinstance(value, Mapping):
        return all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    return isinstance(value, list | tuple) and all(map(_is_plain, value))


def _leads_elsewhere(node: ast.Attribute, names: Mapping[str, Any]) -> bool:
    """Whether a chain of attributes leads from a module to another package's, such as `torch.serialization.os`."""
    chain: list[str] = []
    root: ast.expr = node
    while isinstance(root, ast.Attribute):
        chain.insert(0, root.attr)
        root = root.value
    value = names.get(root.id) if isinstance(root, ast.Name) else None
    package = value.__name__.partition(".")[0] if isinstance(value, ModuleType) else ""
    for name in chain:
        if not isinstance(value, ModuleType):
            break
        value = getattr(value, name, None)
        if isinstance(value, ModuleType) and value.__name__.partition(".")[0] != package:
            return True
    return False
