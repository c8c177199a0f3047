"""Checks that a fusion layer meets the requirements of every method, page and command."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from afanet.fusion import Fusion
from afanet.testing.gates import CHANNELS, SIZE, check_cut, check_flow, check_gates, check_mix, features

Make = Callable[..., Fusion]


def check_fusion(cls: Make) -> None:
    """Check everything that networks, training, pages and export require of a fusion layer.

    Args:
        cls: a class that derives from `Fusion`, or a `functools.partial` of one. It is built with 4 channels, with 2
            and 3 tasks, and with features of 5x6.

    Raises:
        AssertionError: for the first requirement that the layer does not meet, in a sentence.

    Warns:
        UserWarning: if `torch.export` cannot trace the layer, so that `afanet export` cannot write its networks.

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
            for check_layer in (_check_answers, _check_copies, check_gates, check_flow, check_cut, check_mix):
                check_layer(cls(CHANNELS, tasks=tasks, size=SIZE).eval())
            for check_layer in (check_gates, check_flow, check_cut, check_mix):  # no longer alike for all tasks
                check_layer(_stirred(cls(CHANNELS, tasks=tasks, size=SIZE).eval()))
        _check_export(cls)


def _check_shapes(make: Make, tasks: int) -> None:
    layer = make(CHANNELS, tasks=tasks, size=SIZE)
    name = type(layer).__name__
    for training, batch, size in [(True, 2, SIZE), (False, 1, SIZE), (False, 3, (9, 4)), (False, 1, (1, 1))]:
        xs = features(tasks, batch, size)
        ys = layer.train(training)(xs)
        assert isinstance(ys, list | tuple), f"{name}.fuse returns {type(ys).__name__}, expected a list of tensors"
        assert len(ys) == tasks, f"{name}.fuse returns {len(ys)} tensors for {tasks} tasks, expected as many"
        for y in ys:
            assert y.shape == xs[0].shape, (
                f"{name}.fuse makes {tuple(y.shape)} of {tuple(xs[0].shape)}, expected the same shape"
            )
            assert y.isfinite().all(), f"{name}.fuse makes numbers that are not finite of finite features"
    ys = layer([torch.zeros(1, CHANNELS, *SIZE)] * tasks)
    assert all(y.isfinite().all() for y in ys), f"{name}.fuse makes numbers that are not finite of zeros"


def _check_inputs(make: Make, tasks: int) -> None:
    layer, xs = make(CHANNELS, tasks=tasks, size=SIZE), features(tasks)
    before = [x.clone() for x in xs]
    layer(xs)
    same = all(map(torch.equal, xs, before))
    assert same, f"{type(layer).__name__}.fuse changes its inputs in place, which the branches still need: copy them"


def _check_precision(make: Make, tasks: int) -> None:
    layer = make(CHANNELS, tasks=tasks, size=SIZE).double()
    name = type(layer).__name__
    dtypes = {y.dtype for y in layer([x.double() for x in features(tasks)])}
    assert dtypes == {torch.float64}, f"{name} in float64 makes {_listed(dtypes)}: make new tensors with x.new_..."
    layer = layer.float()
    with torch.autocast("cpu", torch.bfloat16):
        ys = layer(features(tasks))
    dtypes = {y.dtype for y in ys}
    assert len(dtypes) == 1, f"{name} under autocast makes {_listed(dtypes)}, expected one type for all tasks"
    assert all(y.isfinite().all() for y in ys), f"{name} under autocast makes numbers that are not finite"


def _listed(dtypes: set[torch.dtype]) -> str:
    return ", ".join(sorted(map(str, dtypes)))


def _check_gradients(make: Make, tasks: int) -> None:
    layer = make(CHANNELS, tasks=tasks, size=SIZE)
    name = type(layer).__name__
    xs = [x.requires_grad_() for x in features(tasks)]
    torch.autograd.backward(_total(layer(xs)))
    for number, x in enumerate(xs):
        assert x.grad is not None, f"no gradient reaches input {number} of {name}: the layers before it would not learn"
        assert x.grad.any(), f"the gradient of input {number} of {name} is zero: the layers before it would not learn"
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
    torch.autograd.backward(_total(layer([x.requires_grad_() for x in features(tasks)])))


def _check_readers(make: Make, tasks: int) -> None:
    last, xs = tasks - 1, features(tasks)
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
    assert same, f"{name} with readers=[{last}] changes what others have: override fuse, not forward"


_WHOLE = (_check_shapes, _check_inputs, _check_precision, _check_gradients, _check_guard, _check_readers)


def _check_answers(layer: Fusion) -> None:
    name, xs = type(layer).__name__, features(layer.tasks, batch=3)
    with torch.no_grad():
        whole = layer(xs)
        assert all(map(torch.equal, whole, layer(xs))), f"{name} in eval mode answers differently each time"
        for y, expected in zip(layer([x[:1] for x in xs]), whole, strict=True):
            alone = torch.allclose(y, expected[:1], rtol=1e-4, atol=1e-5)
            assert alone, f"{name} in eval mode answers by what else is in the batch: an image must be on its own"


def _check_copies(layer: Fusion) -> None:
    name, xs = type(layer).__name__, features(layer.tasks)
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
            assert same, f"{name} computes something else after a copy by {way}: keep learnt values in parameters"


def _check_export(make: Make) -> None:
    layer = make(CHANNELS, tasks=2, size=SIZE).eval()
    try:
        torch.export.export(layer, (features(2),))
    except Exception as error:  # torch's tracer may raise errors of any type
        first = str(error).strip().partition("\n")[0]
        warnings.warn(
            f"torch.export cannot trace {type(layer).__name__} ({type(error).__name__}: {first:.200}): "
            "`afanet export` cannot write networks with it",
            stacklevel=3,
        )


def _stirred(layer: Fusion) -> Fusion:
    """The layer with noise on its parameters: many layers begin symmetric, and then a confusion of tasks is hidden."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return layer
