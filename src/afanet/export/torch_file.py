"""The `.pt2` file of `torch.export`, with the meaning of its outputs as a file inside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from afanet.errors import InputError
from afanet.export.check import Answer
from afanet.export.trace import Estimator, Traced, cannot, quiet
from afanet.json_text import to_json

SUFFIX = ".pt2"
EXTRA = "afanet.json"


def write_torch(traced: Traced, estimator: Estimator, facts: Mapping[str, Any], file: Path) -> None:
    """Write the graph, with `facts` as the extra file `afanet.json`; raises `InputError` if torch cannot save it."""
    with quiet():
        try:
            torch.export.save(traced.program, file, extra_files={EXTRA: to_json(facts)})
        except OSError:
            raise
        except Exception as error:  # the serializer's exception classes are not public
            raise InputError(cannot("", estimator, error)) from error


def open_torch(file: Path) -> Answer:
    """The loaded file as a function of images."""
    with quiet():
        return cast(Answer, torch.export.load(file).module())
