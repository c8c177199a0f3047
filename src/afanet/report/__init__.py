"""Tables and pictures of a run."""

from afanet.report.pictures import draw_predictions
from afanet.report.table import metrics_table

__all__ = ["draw_predictions", "metrics_table"]
