"""Human parts: segmentation into parts of the body, learnt and scored only where there are people."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.human_parts.task:HumanParts",
    column="afanet.tasks.human_parts.column:HumanPartsColumn",
    result="afanet.tasks.segmentation.result:LabelMap",
)
