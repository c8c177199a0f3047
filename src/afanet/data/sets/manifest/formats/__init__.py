"""Files in the formats of annotation tools: COCO, Pascal VOC, CVAT, Label Studio and YOLO."""

from afanet.data.sets.manifest.formats.detect import read_annotations

__all__ = ["read_annotations"]
