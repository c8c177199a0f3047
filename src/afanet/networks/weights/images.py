"""How images were normalised when weights were trained, as far as the weights or files beside them state it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from afanet.json_text import read_json
from afanet.networks.weights.convert import recognised
from afanet.networks.weights.read import read_state_dict
from afanet.networks.weights.source import CONFIG, PREPROCESSOR, Located
from afanet.normalisation import IMAGENET, LEAST, MOST, Normalisation


def stated(located: Located, expected: Normalisation) -> tuple[Normalisation, str] | None:
    """The numbers with which images were normalised, and the source that states them; None if there is none.

    The source is timm's config.json, transformers' preprocessor_config.json, or the layout of a file. Layouts only
    know ImageNet's numbers, so the file is not read if these are `expected`.

    Raises:
        InputError: for a file that cannot be read.
    """
    for config in located.configs:
        content = read_json(config)
        if isinstance(content, dict) and (numbers := _numbers(config.name, content)):
            return numbers, f"{config.name} beside the weights says"
    if expected == IMAGENET:
        return None
    layout, _ = recognised(read_state_dict(located.file))
    return (IMAGENET, f"weights of {layout.name} were trained") if layout and layout.of_imagenet else None


def _numbers(file: str, content: Mapping[str, Any]) -> Normalisation | None:
    before = "image_" if file == PREPROCESSOR else ""
    inner = content.get("pretrained_cfg") if file == CONFIG else None
    content = inner if isinstance(inner, dict) else content
    mean, std = (content.get(f"{before}{key}") for key in ("mean", "std"))
    if content.get("do_normalize") is False or not (_is_for_rgb(mean) and _is_for_rgb(std)):
        return None
    numbers = Normalisation(tuple(map(float, mean)), tuple(map(float, std)))
    return numbers if min(numbers.std) >= LEAST else None


def _is_for_rgb(values: object) -> TypeGuard[list[float]]:
    return (
        isinstance(values, list)
        and len(values) == 3
        and all(type(x) in (int, float) and math.isfinite(x) and abs(x) <= MOST for x in values)
    )
