"""Devices and processes: where a run computes, how its processes start, and how they add up values."""
