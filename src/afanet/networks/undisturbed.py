"""Networks run to learn about them, on fake tensors mostly, and afterwards are as if they had not."""

from __future__ import annotations

import functools
import gc
import logging
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

CONTAINERS = (dict, OrderedDict, defaultdict, Counter, list, set, deque)
CACHED = type(functools.lru_cache(int))
REGISTRY = 100  # a dict of more entries is no cache of tensors: timm's names of networks are many thousands
APART = {*sys.stdlib_module_names, "torch", "numpy", "afanet"} - {"__main__"}  # packages that keep no tensors


@contextmanager
def undisturbed(branch: nn.Module, quick: bool = False) -> Iterator[None]:
    """A context with a branch in evaluation, after which every module has the attributes that it had before.

    Some networks keep what they computed for one size of images, and must not keep fake tensors: neither in attributes
    or in dicts, lists and sets that are attributes, nor in caches of their Python (`functools.lru_cache`, dicts). If
    `quick`, batch norms pass their inputs on, which changes no shape: on fake tensors they take most of the time.
    Failures of fake tensors are not logged: a sentence says so, or another size is tried.
    """
    before = [(module, dict(vars(module))) for module in branch.modules()]
    contents = _contents(before)
    try:
        with in_mode(branch, False), _unlogged():
            for module in branch.modules() if quick else ():
                if type(module) is nn.BatchNorm2d:
                    vars(module)["forward"] = _same
            yield
    finally:
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)
        for container, content in contents:
            _refill(container, content)
        _forget_fakes(branch)


@contextmanager
def in_mode(branch: nn.Module, training: bool) -> Iterator[None]:
    """A context with a branch in training (True) or evaluation (False); afterwards every module is as before."""
    modes = {module: module.training for module in branch.modules()}
    branch.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _unlogged() -> Iterator[None]:
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _same(x: Tensor) -> Tensor:
    return x.clone()  # what follows may change it in place


def _contents(before: Iterable[tuple[nn.Module, dict[str, Any]]]) -> list[tuple[Any, Any]]:
    """Every dict, list and set in the modules' attributes, also one inside another, with a copy of it."""
    waiting = [value for _, attributes in before for value in attributes.values() if type(value) in CONTAINERS]
    seen = {id(container) for container in waiting}
    contents = []
    while waiting:
        container: Any = waiting.pop()
        contents.append((container, container.copy()))
        for item in container.values() if isinstance(container, dict) else container:
            if type(item) in CONTAINERS and id(item) not in seen:
                seen.add(id(item))
                waiting.append(item)
    return contents


def _refill(container: Any, content: Any) -> None:
    if not container and not content:
        return
    container.clear()
    (container.update if isinstance(container, dict | set) else container.extend)(content)


def _forget_fakes(branch: nn.Module) -> None:
    """Take fake tensors out of the caches in the Python of a branch's classes and in what that Python imports."""
    for cache in _caches(branch):
        if isinstance(cache, dict):
            if len(cache) <= REGISTRY:
                _drop_fakes(cache)
        elif cache.cache_info().currsize and _holds_fake(gc.get_referents(cache)):
            cache.cache_clear()


def _drop_fakes(cache: dict[Any, Any], depth: int = 1) -> None:
    for key, value in list(cache.items()):
        if type(value) is dict and depth:
            _drop_fakes(value, depth - 1)
        elif _holds_fake((key, value), depth=1):
            del cache[key]


def _holds_fake(values: Iterable[Any], depth: int = 3) -> bool:
    for value in values:
        if isinstance(value, FakeTensor):
            return True
        inside = type(value) in (*CONTAINERS, tuple) or type(value).__name__ == "_lru_list_elem"
        if inside and depth and _holds_fake(gc.get_referents(value), depth - 1):
            return True
    return False


def _caches(branch: nn.Module) -> Iterator[Any]:
    """The dicts and functions with `lru_cache` among the globals and in the classes of those Python modules."""
    own = {cls.__module__ for module in branch.modules() for cls in type(module).__mro__ if _may_keep(cls.__module__)}
    names = own | {home for value in _globals(own) if (home := _home(value)) and _may_keep(home)}
    for value in _globals(names):
        yield from _caches_in(value)
        for inside in list(vars(value).values()) if isinstance(value, type) and value.__module__ in names else ():
            yield from _caches_in(inside)


def _globals(names: Iterable[str]) -> Iterator[Any]:
    for name in names:
        for key, value in list(vars(sys.modules[name]).items()):
            if not key.startswith("__"):
                yield value


def _home(value: Any) -> str | None:
    """The name of the Python module that a global is, or that defines it."""
    if isinstance(value, ModuleType):
        return value.__name__
    return value.__module__ if isinstance(value, type | FunctionType | CACHED) else None


def _may_keep(name: str) -> bool:
    return name in sys.modules and name.partition(".")[0] not in APART


def _caches_in(value: Any) -> Iterator[Any]:
    if isinstance(value, staticmethod | classmethod | property):
        value = value.fget if isinstance(value, property) else value.__func__
    if isinstance(value, dict | CACHED):
        yield value
    elif isinstance(value, FunctionType):  # a decorator's function may keep the cache for itself
        for cell in value.__closure__ or ():
            try:
                if isinstance(cell.cell_contents, CACHED):
                    yield cell.cell_contents
            except ValueError:  # an empty cell
                pass
