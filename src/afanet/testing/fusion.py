"""Whether a fusion layer keeps what every method, page and command relies on."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from afanet.fusion import Fusion, record_gates, replace_gates

Make = Callable[..., Fusion]

CHANNELS, SIZE = 4, (5, 6)
KINDS = {"channel": (CHANNELS, 1, 1), "spatial": (1, *SIZE)}  # of gates, with what a gate is for


def check_fusion(cls: Make) -> None:
    """Put a fusion layer through all that networks, training, pages and export ask of it.

    Args:
        cls: a class that derives from `Fusion`, or a `functools.partial` of one. It is built for 4 channels, for 2 and
            3 tasks, and for features of 5x6.

    Raises:
        AssertionError: for the first thing that it does not keep, in a sentence.

    Warns:
        UserWarning: where `torch.export` cannot follow the layer, so that `afanet export` cannot write its networks.

    >>> from afanet import AFA
    >>> check_fusion(AFA)
    """
    with torch.random.fork_rng(devices=[]):
        for tasks in (2, 3):
            torch.manual_seed(tasks)
            layer = cls(CHANNELS, tasks=tasks, size=SIZE)
            assert isinstance(layer, Fusion), f"{type(layer).__name__} does not derive from afanet.Fusion"
            for check in _WHOLE:
                check(cls, tasks)
            for check_layer in (_check_answers, _check_copies, _check_gates, _check_flow, _check_cut, _check_mix):
                check_layer(cls(CHANNELS, tasks=tasks, size=SIZE).eval())
        _check_export(cls)


def _features(tasks: int, batch: int = 2, size: Sequence[int] = SIZE) -> list[Tensor]:
    return [torch.randn(batch, CHANNELS, *size) for _ in range(tasks)]


def _check_shapes(make: Make, tasks: int) -> None:
    layer = make(CHANNELS, tasks=tasks, size=SIZE)
    name = type(layer).__name__
    for training, batch, size in [(True, 2, SIZE), (False, 1, SIZE), (False, 3, (9, 4)), (False, 1, (1, 1))]:
        xs = _features(tasks, batch, size)
        ys = layer.train(training)(xs)
        assert isinstance(ys, list | tuple), f"{name}.fuse returns {type(ys).__name__}, expected a list of tensors"
        assert len(ys) == tasks, f"{name}.fuse returns {len(ys)} tensors for {tasks} tasks, expected as many"
        for y in ys:
            assert y.shape == xs[0].shape, (
                f"{name}.fuse makes {tuple(y.shape)} of {tuple(xs[0].shape)}, expected the same"
            )
            assert y.isfinite().all(), f"{name}.fuse makes numbers that are not finite of features that are"
    ys = layer([torch.zeros(1, CHANNELS, *SIZE)] * tasks)
    assert all(y.isfinite().all() for y in ys), f"{name}.fuse makes numbers that are not finite of zeros"


def _check_inputs(make: Make, tasks: int) -> None:
    layer, xs = make(CHANNELS, tasks=tasks, size=SIZE), _features(tasks)
    before = [x.clone() for x in xs]
    layer(xs)
    same = all(map(torch.equal, xs, before))
    assert same, f"{type(layer).__name__}.fuse changes its inputs in place, which the branches still need: copy them"


def _check_precision(make: Make, tasks: int) -> None:
    layer = make(CHANNELS, tasks=tasks, size=SIZE).double()
    name = type(layer).__name__
    dtypes = {y.dtype for y in layer([x.double() for x in _features(tasks)])}
    assert dtypes == {torch.float64}, f"{name} in float64 makes {_listed(dtypes)}: make new tensors with x.new_..."
    layer = layer.float()
    with torch.autocast("cpu", torch.bfloat16):
        ys = layer(_features(tasks))
    dtypes = {y.dtype for y in ys}
    assert len(dtypes) == 1, f"{name} under autocast makes {_listed(dtypes)}, expected one type for all tasks"
    assert all(y.isfinite().all() for y in ys), f"{name} under autocast makes numbers that are not finite"


def _listed(dtypes: set[torch.dtype]) -> str:
    return ", ".join(sorted(map(str, dtypes)))


def _check_gradients(make: Make, tasks: int) -> None:
    layer = make(CHANNELS, tasks=tasks, size=SIZE)
    name = type(layer).__name__
    xs = [x.requires_grad_() for x in _features(tasks)]
    torch.autograd.backward(_total(layer(xs)))
    for number, x in enumerate(xs):
        assert x.grad is not None, f"no gradient reaches input {number} of {name}: what is learnt there is lost"
        assert x.grad.any(), f"the gradient of input {number} of {name} is zero: what is learnt there is lost"
    for key, parameter in layer.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"parameter '{key}' of {name} takes no part in fuse: use it or remove it"
            assert parameter.grad.isfinite().all(), f"the gradient of parameter '{key}' of {name} is not finite"


def _total(ys: Sequence[Tensor]) -> Tensor:
    return torch.stack([y.square().sum() for y in ys]).sum()


def _check_guard(make: Make, tasks: int) -> None:
    try:
        layer = make(CHANNELS, tasks=tasks, size=SIZE, limit=1.0, protect=[0])
    except TypeError as error:
        raise AssertionError(
            f"the layer cannot be built with limit=1.0 and protect=[0] ({error}): take **guard in its constructor, and "
            "pass it to super().__init__(channels, tasks, size, **guard)"
        ) from error
    torch.autograd.backward(_total(layer([x.requires_grad_() for x in _features(tasks)])))


def _check_readers(make: Make, tasks: int) -> None:
    last, xs = tasks - 1, _features(tasks)
    try:
        layer = make(CHANNELS, tasks=tasks, size=SIZE, readers=[last])
    except TypeError as error:
        raise AssertionError(
            f"the layer cannot be built with readers=[{last}] ({error}): take **guard in its constructor, and pass it "
            "to super().__init__(channels, tasks, size, **guard)"
        ) from error
    name = type(layer).__name__
    with torch.no_grad():
        kept = layer.eval()(xs)[:last]
    same = all(map(torch.equal, kept, xs))
    assert same, f"{name} with readers=[{last}] changes what others have: override fuse, and leave forward to Fusion"


_WHOLE = (_check_shapes, _check_inputs, _check_precision, _check_gradients, _check_guard, _check_readers)


def _check_answers(layer: Fusion) -> None:
    name, xs = type(layer).__name__, _features(layer.tasks, batch=3)
    with torch.no_grad():
        whole = layer(xs)
        assert all(map(torch.equal, whole, layer(xs))), f"{name} in eval mode answers differently each time"
        for y, expected in zip(layer([x[:1] for x in xs]), whole, strict=True):
            alone = torch.allclose(y, expected[:1], rtol=1e-4, atol=1e-5)
            assert alone, f"{name} in eval mode answers by what else is in the batch: an image must be on its own"


def _check_copies(layer: Fusion) -> None:
    name, xs = type(layer).__name__, _features(layer.tasks)
    with torch.no_grad():
        expected = layer(xs)
        copies = {"copy.deepcopy": copy.deepcopy(layer)}
        try:
            copies["pickle"] = pickle.loads(pickle.dumps(layer))
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise AssertionError(f"{name} cannot be pickled ({error}): define it at the top of a module") from error
        other = copy.deepcopy(layer)
        for tensor in [*other.parameters(), *other.buffers()]:
            tensor.zero_()
        stream = io.BytesIO()
        torch.save(layer.state_dict(), stream)
        stream.seek(0)
        other.load_state_dict(torch.load(stream, weights_only=True))
        copies["its state dict"] = other
        for way, made in copies.items():
            same = all(map(torch.equal, made(xs), expected))
            assert same, f"{name} computes something else after a copy by {way}: keep what it learns in parameters"


def _check_gates(layer: Fusion) -> None:
    if not layer.offers_gates:
        return
    name, tasks = type(layer).__name__, layer.tasks
    with torch.no_grad():
        gates = layer.gates(_features(tasks))
    odd = sorted(set(gates) - set(KINDS))
    assert gates, f"{name}.gates gives none, expected 'channel', 'spatial' or both: leave the method out instead"
    assert not odd, f"{name}.gates gives '{', '.join(odd)}', expected 'channel', 'spatial' or both"
    for kind, values in gates.items():
        shape = (2, tasks, tasks, *KINDS[kind])
        found = tuple(values.shape)
        assert found == shape, f"{name}.gates has {found} for '{kind}', expected (batch, to, from, ...) = {shape}"
        assert (values >= 0).all(), f"{name}.gates has negative values for '{kind}'"
        sums = values.sum(2)
        whole = torch.allclose(sums, torch.ones_like(sums), atol=1e-4)
        assert whole, f"{name}.gates for '{kind}' do not sum to one over the sources"


def _check_flow(layer: Fusion) -> None:
    if not layer.offers_flow:
        return
    name, tasks = type(layer).__name__, layer.tasks
    with torch.no_grad():
        flow = layer.carried(_features(tasks))
    shape = (2, tasks, tasks)
    assert flow.shape == shape, f"{name}.carried has {tuple(flow.shape)}, expected (batch, to, from) = {shape}"
    whole = (flow >= 0).all() and torch.allclose(flow.sum(2), torch.ones(2, tasks), atol=1e-4)
    assert whole, f"{name}.carried has rows that are no shares: none may be negative, and they sum to one"


def _check_cut(layer: Fusion) -> None:
    """A cut changes one output; nothing where the source has the task's own features; under gates that are the same
    for all features it is what comes of replacing the source's by the task's own.
    """
    if not layer.offers_cut:
        return
    name, tasks, to, source = type(layer).__name__, layer.tasks, 0, layer.tasks - 1
    with torch.no_grad():
        xs = _features(tasks)
        ys, cut = layer(xs), layer.cut(xs, to, source)
        others = all(torch.allclose(cut[task], ys[task], atol=1e-5) for task in range(tasks) if task != to)
        assert others, f"{name}.cut changes the outputs of other tasks than the one that is cut off"
        replaced = [xs[to] if task == source else x for task, x in enumerate(xs)]
        unchanged = torch.allclose(layer.cut(replaced, to, source)[to], layer(replaced)[to], atol=1e-5)
        assert unchanged, f"{name}.cut changes the output where the source has the task's own features already"
        if layer.offers_gates:
            before, after = layer.gates(xs), layer.gates(replaced)
            if all(torch.equal(before[kind], after[kind]) for kind in before):
                same = torch.allclose(cut[to], layer(replaced)[to], atol=1e-5)
                assert same, f"{name}.cut is not the output with the source's features replaced by the task's own"


def _check_mix(layer: Fusion) -> None:
    """A layer that says that its gates are the weights of its mix gives the same by them from outside."""
    if not layer.mixes_by_gates:
        return
    name, network, xs = type(layer).__name__, torch.nn.ModuleDict({"layer": layer}), _features(layer.tasks)
    prefix = _features(layer.tasks, size=(3, 1))
    with torch.no_grad():
        with record_gates(network, raw=True) as gates:
            own = layer(xs, prefix)
        with replace_gates(network, gates):
            same = all(
                torch.allclose(y, expected, atol=1e-5) for y, expected in zip(layer(xs, prefix), own, strict=True)
            )
    assert same, f"{name}.mixes_by_gates is true, but its outputs are not the mix of features by {name}.gates"


def _check_export(make: Make) -> None:
    layer = make(CHANNELS, tasks=2, size=SIZE).eval()
    try:
        torch.export.export(layer, (_features(2),))
    except Exception as error:  # torch's tracer may stumble in any way
        first = str(error).strip().partition("\n")[0]
        warnings.warn(
            f"torch.export cannot follow {type(layer).__name__} ({type(error).__name__}: {first:.200}): "
            "`afanet export` cannot write networks with it",
            stacklevel=3,
        )
