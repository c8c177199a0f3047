"""One class for the whole image."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.classification.task:Classification",
    column="afanet.tasks.classification.column:ClassificationColumn",
    result="afanet.tasks.classification.result:Choice",
)
