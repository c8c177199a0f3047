"""One number for the whole image."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.regression.task:Regression",
    column="afanet.tasks.regression.column:RegressionColumn",
    result="afanet.tasks.regression.result:Number",
)
