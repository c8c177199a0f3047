"""Several labels for one image, each on or off independently."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.multi_label.task:MultiLabel",
    column="afanet.tasks.multi_label.column:MultiLabelColumn",
    result="afanet.tasks.multi_label.result:Labels",
)
