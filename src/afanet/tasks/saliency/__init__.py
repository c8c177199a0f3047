"""Saliency: how probable it is that each pixel belongs to what stands out in a photo."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.saliency.task:Saliency",
    column="afanet.tasks.saliency.column:SaliencyColumn",
    result="afanet.tasks.saliency.result:SaliencyMap",
)
