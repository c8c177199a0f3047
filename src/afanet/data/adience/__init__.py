"""Adience: photos of faces with gender and age, in five folds."""

from afanet.data.adience.adience import open_adience
from afanet.data.adience.report import fold_problems, fold_report, fold_table

__all__ = ["fold_problems", "fold_report", "fold_table", "open_adience"]
