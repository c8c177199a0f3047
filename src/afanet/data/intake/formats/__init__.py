"""Files in the formats of annotation tools: COCO, Pascal VOC, CVAT, Label Studio and YOLO."""

from afanet.data.intake.formats.detect import FORMATS, read_annotations

__all__ = ["FORMATS", "read_annotations"]
