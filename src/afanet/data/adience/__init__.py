"""Adience: photos of faces with gender and age, in five folds."""

from afanet.data.adience.adience import open_adience

__all__ = ["open_adience"]
