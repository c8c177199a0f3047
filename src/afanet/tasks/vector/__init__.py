"""Several numbers for the whole image, which may be positions in it."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.vector.task:Vector",
    column="afanet.tasks.vector.column:VectorColumn",
    result="afanet.tasks.vector.result:Numbers",
)
