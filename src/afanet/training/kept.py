"""What training reads instead of computing it: kept features of a frozen trunk, or kept answers of teachers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from afanet.data import Data, Split
from afanet.data.features import KeptFeatures
from afanet.errors import InputError
from afanet.training.distilling.answers import Answered, find_answers
from afanet.training.features import find_features
from afanet.training.job import Job


def with_kept(job: Job, saved: Mapping[str, Any]) -> Data:
    """The data of a job; its training split reads kept features or answers, if some fit.

    Raises `InputError` as `find_features` and `find_answers` do.
    """
    return replace(job.data, train=find_features(job, saved) or find_answers(job, saved) or job.data.train)


def require_images(train: Split) -> None:
    """Raise `InputError` if resident data would replace kept features or answers."""
    for what, folder in kept_folders(train).items():
        if folder:
            advice = "set data.features to none" if what == "features" else "remove the folder"
            raise InputError(
                f"data.resident makes batches of images, but this run would read the kept {what} in {folder} instead: "
                f"{advice}, or leave data.resident out"
            )


def kept_folders(train: Split) -> dict[str, str]:
    """The names of the folders from which a training split reads features and answers, empty for none."""
    return {
        "features": train.read.folder.name if isinstance(train.read, KeptFeatures) else "",
        "answers": train.folder.name if isinstance(train, Answered) else "",
    }
