"""Edges: which pixels lie on a boundary, as a probability."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.edges.task:Edges",
    column="afanet.tasks.edges.column:EdgesColumn",
    result="afanet.tasks.edges.result:EdgeProbabilities",
)
