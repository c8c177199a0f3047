"""Runs side by side: did sharing help each task, beyond noise, and for what price?"""

from afanet.comparison.compare import Comparison, compare_runs

__all__ = ["Comparison", "compare_runs"]
