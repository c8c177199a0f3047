"""Masks that may overlap: each label is on or off independently at each pixel."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.multi_label_segmentation.task:MultiLabelSegmentation",
    column="afanet.tasks.multi_label_segmentation.column:MultiLabelSegmentationColumn",
    result="afanet.tasks.multi_label_segmentation.result:Masks",
)
