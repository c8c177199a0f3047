"""How weights are spelled: none, pretrained, a file, `local-dir:FOLDER` or `hf-hub:ORG/NAME`."""

from __future__ import annotations

from pathlib import Path

WORDS = ("none", "pretrained")
FOLDER = "local-dir:"
HUB = "hf-hub:"


def anchored(weights: str, folder: Path) -> str:
    """The same weights; if they are a relative path, it starts from `folder`.

    >>> [anchored(weights, Path("/data")) for weights in ("pretrained", "a.pth", "local-dir:vit", "hf-hub:timm/vit")]
    ['pretrained', '/data/a.pth', 'local-dir:/data/vit', 'hf-hub:timm/vit']
    """
    if weights in WORDS or weights.startswith(HUB):
        return weights
    prefix = FOLDER if weights.startswith(FOLDER) else ""
    return f"{prefix}{folder / weights.removeprefix(prefix)}"
