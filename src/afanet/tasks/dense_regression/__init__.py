"""Any quantity at each pixel."""

from afanet.tasks.kinds import Kind

KIND = Kind(
    task="afanet.tasks.dense_regression.task:DenseRegression",
    column="afanet.tasks.dense_regression.column:DenseRegressionColumn",
    result="afanet.tasks.dense_regression.result:QuantityMap",
)
