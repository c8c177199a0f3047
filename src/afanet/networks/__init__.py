"""Networks: any single-task networks woven into one, and ready-made ones by method and backbone."""

from afanet.networks.create import METHODS, create_network
from afanet.networks.layout import Layout, Point
from afanet.networks.outputs import Dense, Output, Pooled
from afanet.networks.weave import weave
from afanet.networks.woven import Woven

__all__ = ["METHODS", "Dense", "Layout", "Output", "Point", "Pooled", "Woven", "create_network", "weave"]
