"""Sweeps: processes that share one database search keys of a recipe for better values."""

from afanet.sweeps.outcome import Outcome
from afanet.sweeps.space import read_space
from afanet.sweeps.sweep import Plan, run_sweep

__all__ = ["Outcome", "Plan", "read_space", "run_sweep"]
