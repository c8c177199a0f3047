"""NYUv2: indoor frames with segmentation, depth and surface normals."""

from afanet.data.data_set import DataSet
from afanet.data.sets.nyuv2.nyuv2 import open_nyuv2

__all__ = ["DATA_SET", "open_nyuv2"]

DATA_SET = DataSet(
    open=open_nyuv2,
    marks=("nyu_depth_v2_labeled.mat", "label40", "depth_mm", "gt_sets", "train/label", "val/label"),
    file=lambda path: path.suffix == ".mat",
    licence="its authors state none: ask them before any use beyond research",
)
