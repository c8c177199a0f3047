"""Checks that authors of methods and kinds of task can put theirs through."""

from afanet.testing.task import check_task

__all__ = ["check_task"]
