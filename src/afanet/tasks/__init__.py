"""What can be learnt: each task knows its head's shape, its loss, its metrics and its picture."""

from afanet.tasks.classification.task import Classification
from afanet.tasks.depth.task import Depth
from afanet.tasks.described import Described, Description
from afanet.tasks.multi_label.task import MultiLabel
from afanet.tasks.normals.task import Normals
from afanet.tasks.ordinal.task import Ordinal
from afanet.tasks.read import read_task
from afanet.tasks.regression.task import Regression
from afanet.tasks.segmentation.task import Segmentation
from afanet.tasks.task import ColourBar, DenseTask, Legend, PooledTask, Swatches, Task

__all__ = [
    "Classification",
    "ColourBar",
    "DenseTask",
    "Depth",
    "Described",
    "Description",
    "Legend",
    "MultiLabel",
    "Normals",
    "Ordinal",
    "PooledTask",
    "Regression",
    "Segmentation",
    "Swatches",
    "Task",
    "read_task",
]
