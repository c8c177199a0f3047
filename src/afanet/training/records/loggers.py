"""Weights & Biases and MLflow, through Lightning's loggers, for people who use them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from afanet.errors import InputError

PROJECT = "afanet"


def _wandb(folder: Path, known: str | None) -> Any:
    from lightning.pytorch.loggers import WandbLogger

    return WandbLogger(name=folder.name, project=PROJECT, save_dir=folder, id=known, resume="allow")


def _mlflow(folder: Path, known: str | None) -> Any:
    from lightning.pytorch.loggers import MLFlowLogger

    address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / 'mlflow.db').absolute()}"
    return MLFlowLogger(experiment_name=PROJECT, run_name=folder.name, tracking_uri=address, run_id=known)


LOGGERS: dict[str, Callable[[Path, str | None], Any]] = {"wandb": _wandb, "mlflow": _mlflow}


def check_loggers(names: Sequence[str]) -> None:
    """Raises `InputError` for a logger whose package is not installed.

    >>> check_loggers([])
    """
    for name in names:
        if find_spec(name) is None:
            raise InputError(f"logger '{name}' needs a package that is missing: pip install {name}, or leave it out")


def open_loggers(
    names: Sequence[str], folder: Path, values: Mapping[str, Any], known: Mapping[str, str] = {}
) -> dict[str, Any]:
    """Lightning's loggers with these names for the run in `folder`, with the `values` of its recipe.

    The settings of the loggers' own packages decide where they send to; without any, MLflow keeps a file `mlflow.db` in
    the run folder. `known` has the runs' names from `logger_runs`, to resume. Raises `InputError` for a logger that
    does not start.
    """
    loggers = {}
    for name in names:
        try:
            loggers[name] = LOGGERS[name](folder, known.get(name))
            if name not in known:
                loggers[name].log_hyperparams(dict(values))
        except Exception as error:  # errors of any type: no account, no server, a name in use
            reason = str(error).strip().partition("\n")[0]
            raise InputError(f"logger '{name}' does not start ({reason}): set it up, or leave it out") from error
    return loggers


def logger_runs(loggers: Mapping[str, Any]) -> dict[str, str]:
    """The names under which the loggers know this run."""
    return {name: str(logger.run_id if name == "mlflow" else logger.experiment.id) for name, logger in loggers.items()}
