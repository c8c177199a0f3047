"""A class for every pixel."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.segmentation.task:Segmentation",
    column="afanet.tasks.segmentation.column:SegmentationColumn",
    result="afanet.tasks.segmentation.result:LabelMap",
)
