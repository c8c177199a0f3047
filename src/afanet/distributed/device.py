"""The device to compute on, and the precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from afanet.errors import InputError


@contextmanager
def answering(device: torch.device) -> Iterator[None]:
    """A context for inference: without gradients and in float32, whatever the precision in training.

    Scores, predictions and exported files then agree to rounding. On CUDA it also turns off TF32, which would round the
    factors of matrix products to 10 bits.

    >>> with torch.autocast("cpu", torch.bfloat16), answering(torch.device("cpu")):
    ...     torch.nn.Linear(2, 1)(torch.ones(1, 2)).dtype
    torch.float32
    """
    switches: list[Any] = [torch.backends.cudnn, torch.backends.cuda.matmul] if device.type == "cuda" else []
    before = [switch.allow_tf32 for switch in switches]
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        try:
            for switch in switches:
                switch.allow_tf32 = False
            yield
        finally:
            for switch, allowed in zip(switches, before, strict=True):
                switch.allow_tf32 = allowed


def devices() -> list[str]:
    """The names of this machine's devices, the CPU first.

    >>> devices()[0]
    'cpu'
    """
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *["mps"] * torch.backends.mps.is_available()]


def find_device(name: str) -> torch.device:
    """The device with this name; `auto` is the first CUDA device, or the CPU if there is none.

    Raises `InputError` if this machine has no such device.

    >>> find_device("cpu")
    device(type='cpu')
    """
    known = devices()
    chosen = ("cuda" if len(known) > 1 and known[1] == "cuda:0" else "cpu") if name == "auto" else name
    chosen = "cuda:0" if chosen == "cuda" else chosen
    if chosen not in known:
        raise InputError(f"device '{name}' does not exist here, expected one of: auto, {', '.join(known)}")
    return torch.device(chosen)


def find_precision(name: str, device: torch.device) -> str:
    """`bf16` or `float32`; `auto` is bf16 on devices where it is faster, and float32 on others.

    >>> find_precision("bf16", torch.device("cpu"))
    'bf16'
    """
    if name != "auto":
        return name
    return "bf16" if is_faster_in_bf16(device) else "float32"


def is_faster_in_bf16(device: torch.device) -> bool:
    """Whether the device trains faster in bf16 than in float32.

    A processor needs matrix instructions for bf16, such as Intel's AMX: with AVX512_BF16 alone a step took 1.4 times as
    long as in float32, and without any such instructions many times.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return False
    capabilities = torch.cpu.get_capabilities().items()
    return any("bf16" in key and key != "avx512_bf16" and bool(value) for key, value in capabilities)
