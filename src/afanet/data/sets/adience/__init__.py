"""Adience: photos of faces with gender and age, in five folds."""

from afanet.data.sets.adience.adience import open_adience
from afanet.data.sets.adience.report import fold_problems, fold_report

__all__ = ["fold_problems", "fold_report", "open_adience"]
