"""Maps of edges as a target."""

from __future__ import annotations

from afanet.tasks.maps import Map

UNLABELLED = -1


class EdgeMap(Map):
    """Which pixels are edges, int8 (1, H, W): 1 edge, 0 none, -1 not known. It flips and crops like a mask."""
