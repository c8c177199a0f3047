"""The distance to the surface at each pixel."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.depth.task:Depth",
    column="afanet.tasks.depth.column:DepthColumn",
    result="afanet.tasks.depth.result:DepthMap",
)
