"""Runs networks to learn about them, mostly on fake tensors, and restores their state afterwards."""

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
HOLDERS = (*CONTAINERS, tuple)
LINK = "_lru_list_elem"  # the type that Python's `lru_cache` keeps under a key
CACHED = type(functools.lru_cache(int))
NAMED = (type, FunctionType, ModuleType, CACHED)  # objects that know the name of their Python module
REGISTRY = 100  # a dict with more entries is not a cache of tensors; timm's list of networks has thousands
APART = {*sys.stdlib_module_names, "torch", "numpy", "afanet"} - {"__main__"}  # packages that keep no tensors


@contextmanager
def undisturbed(branch: nn.Module, quick: bool = False) -> Iterator[None]:
    """A context with a branch in evaluation mode, after which every module has the attributes that it had before.

    Some networks cache what they computed for one size of images. They must not keep fake tensors: not in attributes
    (or dicts, lists and sets in these), and not in caches of their Python code (`functools.lru_cache`, dicts). If
    `quick`, batch norms return their input, which changes no shape or type: on fake tensors they take most of the time.
    Failures of fake tensors are not logged: the caller raises an error, or tries another size.
    """
    before = [(container, container.copy()) for container in _containers(vars(module) for module in branch.modules())]
    log = logging.getLogger("torch._subclasses.fake_tensor")
    logs, log.disabled = log.disabled, True
    try:
        with in_mode(branch, False):
            if quick:
                pass_on_norms(branch)
            yield
    finally:
        log.disabled = logs
        for container, content in before:
            if container or content:
                container.clear()
                (container.update if isinstance(container, dict | set) else container.extend)(content)
        for cache in _caches(branch):
            _forget_fakes(cache)


def pass_on_norms(network: nn.Module) -> None:
    """Make batch norms return their input, in a network of which only shapes and types matter from now on."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            vars(module)["forward"] = functools.partial(_passed_on, module)


def _passed_on(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """A tensor with the shape and type of the norm's output; raises the errors that the norm would raise."""
    parts = [part for part in (norm.weight, norm.bias, norm.running_mean, norm.running_var) if part is not None]
    alike = all((part.dtype, part.device) == (x.dtype, x.device) for part in parts)
    if alike and norm.running_mean is not None and x.dim() == 4 and x.shape[1] == norm.num_features:
        return x.clone()  # a copy, since the caller may change it in place
    return nn.BatchNorm2d.forward(norm, x)


@contextmanager
def in_mode(branch: nn.Module, training: bool) -> Iterator[None]:
    """A context with a branch in training (True) or evaluation (False) mode; afterwards all modes are as before."""
    modes = {module: module.training for module in branch.modules()}
    branch.train(training)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _containers(values: Iterable[Any]) -> Iterator[Any]:
    """The dicts, lists and sets among values, and those inside them."""
    waiting, seen = list(values), set()
    while waiting:
        value = waiting.pop()
        if type(value) in CONTAINERS and id(value) not in seen:
            seen.add(id(value))
            yield value
            waiting += value.values() if isinstance(value, dict) else value


def _forget_fakes(cache: Any) -> None:
    """Empty a function's cache if it holds fake tensors, or remove such entries from a dict and the dicts in it."""
    if not isinstance(cache, dict):
        if cache.cache_info().currsize and _holds_fake(gc.get_referents(cache)):
            cache.cache_clear()
    elif len(cache) <= REGISTRY:
        for key, value in list(cache.items()):
            if type(value) is dict:
                _forget_fakes(value)
            elif _holds_fake((key, value), depth=1):
                del cache[key]


def _holds_fake(values: Iterable[Any], depth: int = 3) -> bool:
    for value in values:
        holds = type(value) in HOLDERS or type(value).__name__ == LINK
        if isinstance(value, FakeTensor) or (holds and depth and _holds_fake(gc.get_referents(value), depth - 1)):
            return True
    return False


def _caches(branch: nn.Module) -> Iterator[Any]:
    """The dicts and cached functions in the Python modules of a branch's classes, and in what these import."""
    own = _homes(cls for module in branch.modules() for cls in type(module).__mro__)
    homes = own | _homes(value for name in own for value in vars(sys.modules[name]).values())
    for value in [value for name in homes for key, value in vars(sys.modules[name]).items() if key[:2] != "__"]:
        inside = vars(value).values() if isinstance(value, type) and value.__module__ in homes else ()
        for item in (value, *inside):
            if isinstance(item, staticmethod | classmethod | property):
                item = item.fget if isinstance(item, property) else item.__func__
            # A decorator's function may hold the cache in its closure.
            kept = gc.get_referents(*(item.__closure__ or ())) if isinstance(item, FunctionType) else [item]
            yield from (x for x in kept if isinstance(x, dict | CACHED))


def _homes(values: Iterable[Any]) -> set[str]:
    """The names of the Python modules that are among values or define them, except those that keep no tensors."""
    names = {x.__name__ if isinstance(x, ModuleType) else x.__module__ for x in values if isinstance(x, NAMED)}
    return {name for name in names if name in sys.modules and name.partition(".")[0] not in APART}
