"""Dilated depthwise convolutions with a gradient that is fast on CPUs."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

Pair = tuple[int, ...]


def with_quick_gradients(network: nn.Module) -> None:
    """Replace each convolution that `DilatedDepthwise` can compute by one, with the same weight."""
    for module in list(network.modules()):
        for name, conv in module.named_children():
            if isinstance(conv, nn.Conv2d) and _dilated_depthwise(conv):
                setattr(module, name, DilatedDepthwise(conv))


def _dilated_depthwise(conv: nn.Conv2d) -> bool:
    """Whether a convolution is dilated and depthwise, has no stride or bias, and keeps the size of its input."""
    depthwise = conv.groups == conv.in_channels == conv.out_channels and conv.bias is None
    odd = all(kernel % 2 for kernel in conv.kernel_size)
    kept = conv.padding == _padding(conv) if type(conv) is nn.Conv2d else type(conv) is Conv2dSame
    return depthwise and odd and kept and conv.stride == (1, 1) and conv.dilation != (1, 1)


def _padding(conv: nn.Conv2d) -> Pair:
    return tuple(d * (k // 2) for k, d in zip(conv.kernel_size, conv.dilation, strict=True))


class DilatedDepthwise(nn.Conv2d):
    """A dilated depthwise convolution that keeps the size: like `nn.Conv2d`, but computes the same gradient faster.

    For y = x * w with a filter w (C, 1, k, k) and the gradient g of y, the gradient of x is g * w turned by 180
    degrees. The gradient of w at each of its k x k places is the sum of x, moved to that place, times g. For
    `nn.Conv2d` on CPUs, oneDNN computes these through a matrix for each channel if there is dilation: on images of
    48x64 this makes the whole training step of EfficientNet-Lite0 half as long again. Under autocast, in evaluation
    and on other devices this layer computes as `nn.Conv2d` does.

    Args:
        conv: the convolution whose weight it takes.

    >>> conv = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False)
    >>> ours, x = DilatedDepthwise(conv), torch.rand(1, 8, 5, 6)
    >>> torch.equal(ours(x), conv(x)), ours.weight is conv.weight
    (True, True)
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        size: Any = conv.kernel_size
        options: dict[str, Any] = {"dilation": conv.dilation, "padding": _padding(conv), "groups": conv.groups}
        super().__init__(conv.in_channels, conv.out_channels, size, bias=False, device="meta", **options)
        self.weight = conv.weight
        self.train(conv.training)

    def forward(self, x: Tensor) -> Tensor:
        if (
            self.training
            and x.device.type == "cpu"
            and torch.is_grad_enabled()
            and not torch.is_autocast_enabled("cpu")
        ):
            y: Tensor = _Depthwise.apply(x, self.weight, self.padding, self.dilation)
            return y
        return super().forward(x)


class _Depthwise(torch.autograd.Function):
    generate_vmap_rule = True  # for several losses' gradients at once

    @staticmethod
    def forward(x: Tensor, weight: Tensor, padding: Pair, dilation: Pair) -> Tensor:
        return F.conv2d(x, weight, None, 1, padding, dilation, len(weight))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, ctx.padding, ctx.dilation = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = F.conv2d(grad, weight.flip(2, 3), None, 1, ctx.padding, ctx.dilation, len(weight))
        if ctx.needs_input_grad[1]:
            of_weight = _of_weight(x, weight, grad, ctx.padding, ctx.dilation)
        return of_x, of_weight, None, None


def _of_weight(x: Tensor, weight: Tensor, grad: Tensor, padding: Pair, dilation: Pair) -> Tensor:
    """The gradient of the weight (C, 1, k, k): for each of its places, the sum of the inputs it met times `grad`."""
    (vertical, horizontal), (down, right) = padding, dilation
    padded = F.pad(x, (horizontal, horizontal, vertical, vertical))
    height, width = grad.shape[-2:]
    places = [
        (padded[..., down * i : down * i + height, right * j : right * j + width] * grad).sum((0, 2, 3))
        for i in range(weight.shape[2])
        for j in range(weight.shape[3])
    ]
    return torch.stack(places, 1).view(weight.shape)
