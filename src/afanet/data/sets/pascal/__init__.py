"""PASCAL-Context with five tasks, read from the tree PASCAL_MT."""

from afanet.data.data_set import DataSet
from afanet.data.sets.pascal.pascal import open_pascal

__all__ = ["DATA_SET", "open_pascal"]

DATA_SET = DataSet(
    open=open_pascal,
    marks=("sal_distill", "normals_distill", "pascal-context/trainval", "ImageSets/Context"),
    licence="images of Flickr under its terms of use, labels of PASCAL VOC and PASCAL-Context: state them yourself",
    people=True,
)
