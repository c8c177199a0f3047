"""The compiled package of a `torch.export` graph: native code for one image size and this kind of processor."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from afanet.errors import InputError
from afanet.export.check import Answer
from afanet.export.trace import Estimator, Traced, cannot, quiet
from afanet.json_text import to_json

SUFFIX = ".aot.pt2"
KEY = "afanet"


def require_compiler() -> None:
    """Raise `InputError` if there is no C++ compiler."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise InputError(f"format aot needs a C++ compiler, and there is no {compiler}: install one, or name it in CXX")


def write_aot(traced: Traced, estimator: Estimator, facts: Mapping[str, Any], file: Path) -> None:
    """Compile the graph into `file`, with `facts` as JSON under `afanet` in its metadata; this takes minutes.

    Raises `InputError` if the graph cannot be compiled.
    """
    options = {"aot_inductor.metadata": {KEY: to_json(facts)}, "cpp.dynamic_threads": True}
    with quiet():
        try:
            torch._inductor.aoti_compile_and_package(traced.program, package_path=str(file), inductor_configs=options)
        except OSError:
            raise
        except Exception as error:  # the compiler's exception classes are not public
            raise InputError(cannot("", estimator, error)) from error


def open_aot(file: Path) -> Answer:
    """The loaded package as a function of images. Loading runs the code in it."""
    with quiet():
        return cast(Answer, torch._inductor.aoti_load_package(str(file)))
