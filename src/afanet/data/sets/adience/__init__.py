"""Adience: photos of faces with gender and age, in five folds."""

from afanet.data.data_set import DataSet
from afanet.data.sets.adience.adience import open_adience

__all__ = ["DATA_SET", "open_adience"]

DATA_SET = DataSet(
    open=open_adience,
    marks=tuple(f"fold_{number}_data.txt" for number in range(5)),
    licence="research only; the photos are from Flickr, each under its own Creative Commons licence",
    people=True,
)
