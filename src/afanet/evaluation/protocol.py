"""The protocol of an evaluation: what is scored, and on which data."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, get_args

from afanet.json_text import to_json

SplitName = Literal["test", "validation", "train"]
At = Literal["scored", "truth"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
SIZES: tuple[At, ...] = get_args(At)


@dataclass(frozen=True)
class Protocol:
    """How a run is scored; the default is as at the end of its training.

    Args:
        data: another folder or file of data, or a recipe that names some; the run's own if None.
        split: the images that are scored; every split is read like the test split, without augmentation.
        at: the size at which predictions and truth are compared: `scored` is `data.size`, `truth` is the size of the
            labels.
        window: (H, W) of the overlapping windows through which the network sees each image; None for the whole image.
        tasks: the tasks that are scored; all if None.
    """

    data: Path | None = None
    split: SplitName = "test"
    at: At = "scored"
    window: tuple[int, int] | None = None
    tasks: tuple[str, ...] | None = None

    @property
    def own(self) -> bool:
        """Whether this is how the run was scored at the end of its training."""
        return self == Protocol()

    @property
    def file_name(self) -> str:
        """The name of a file for these scores, the same for the same protocol, and never `evaluation.json`.

        >>> Protocol(split="validation", at="truth").file_name, Protocol(window=(24, 32)).file_name
        ('evaluation-validation-truth.json', 'evaluation-test-window-24x32.json')
        """
        parts = ["evaluation", self.split]
        if self.at == "truth":
            parts.append("truth")
        if self.window:
            parts.append("window-" + "x".join(map(str, self.window)))
        if self.data or self.tasks:
            named = to_json([str(self.data and self.data.absolute()), sorted(self.tasks or ())])
            parts.append(blake2b(named.encode(), digest_size=4).hexdigest())
        return "-".join(parts) + ".json"

    def as_json(self) -> dict[str, Any]:
        """The protocol as it is kept beside the scores."""
        data = str(self.data.absolute()) if self.data else None
        return {"data": data, "split": self.split, "at": self.at, "window": self.window, "tasks": self.tasks}

    def __str__(self) -> str:
        """The protocol in words, as the end of "images of".

        >>> str(Protocol(data=Path("d2"), split="train", window=(24, 32)))
        'the train split of d2, through windows of 24x32'
        """
        words = [f"the {self.split} split" + (f" of {self.data}" if self.data else "")]
        if self.at == "truth":
            words.append("at the size of their labels")
        if self.window:
            words.append(f"through windows of {self.window[0]}x{self.window[1]}")
        return ", ".join(words)
