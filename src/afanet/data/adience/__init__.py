"""Adience: photos of faces with gender and age, in five folds."""

from afanet.data.adience.adience import open_adience
from afanet.data.adience.report import fold_problems, fold_report

__all__ = ["fold_problems", "fold_report", "open_adience"]
