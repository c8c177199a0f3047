"""Sweeps: keys of a recipe are searched for better values, by processes that share one database."""

from afanet.sweeps.outcome import Outcome
from afanet.sweeps.space import read_space
from afanet.sweeps.sweep import Plan, run_sweep

__all__ = ["Outcome", "Plan", "read_space", "run_sweep"]
