"""The direction that the surface at each pixel faces."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.normals.task:Normals",
    column="afanet.tasks.normals.column:NormalsColumn",
    result="afanet.tasks.normals.result:NormalMap",
)
