"""Which way what each pixel shows is facing."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.normals.task:Normals",
    column="afanet.tasks.normals.column:NormalsColumn",
    result="afanet.tasks.normals.result:NormalMap",
)
