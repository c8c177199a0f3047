"""Labels of human parts: files of ids, or of colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import model_validator

from afanet.tasks.column import FileColumn
from afanet.tasks.human_parts.people import PARTS
from afanet.tasks.human_parts.task import HumanParts
from afanet.tasks.segmentation.column import SegmentationColumn


class HumanPartsColumn(SegmentationColumn):
    """A map of parts of the body, see `SegmentationColumn`; the first class is the background.

    By default, the classes are the seven of PASCAL-Context with the ids 0 to 6, and 255 is void.
    """

    example: ClassVar[Mapping[str, Any]] = {}
    remark: ClassVar[str] = "0 background, 1 head, 2 torso, 3 upper arms, 4 lower arms, 5 upper legs, 6 lower legs"
    folders: ClassVar[tuple[str, ...]] = ("human_parts", "parts")
    of: ClassVar[type[HumanParts]] = HumanParts

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, keys: Any) -> Any:
        """The usual parts, unless there are `classes`, `ids` or `colours` that may name others."""
        if not isinstance(keys, Mapping) or any(keys.get(key) for key in ("classes", "ids", "colours")):
            return keys
        return {**keys, "classes": list(PARTS)}

    @classmethod
    def guess(cls, files: Sequence[Path]) -> tuple[dict[str, Any], str]:
        """Nothing: the parts are known."""
        return FileColumn.guess(files)
