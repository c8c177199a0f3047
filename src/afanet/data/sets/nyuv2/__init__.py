"""NYUv2: indoor frames with segmentation, depth and surface normals."""

from afanet.data.sets.nyuv2.nyuv2 import open_nyuv2

__all__ = ["open_nyuv2"]
