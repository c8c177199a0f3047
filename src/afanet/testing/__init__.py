"""Checks for what you add to the package: call them in the tests of your own code."""

from afanet.testing.fusion import check_fusion
from afanet.testing.task import check_task

__all__ = ["check_fusion", "check_task"]
