"""One class for the whole image, of classes in an order."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.ordinal.task:Ordinal",
    column="afanet.tasks.ordinal.column:OrdinalColumn",
    result="afanet.tasks.ordinal.result:OrderedChoice",
)
