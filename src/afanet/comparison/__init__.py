"""Runs side by side: did sharing help each task, beyond noise, and at what cost?"""

from afanet.comparison.compare import Comparison, compare_runs

__all__ = ["Comparison", "compare_runs"]
