"""The kinds of task: each is one folder with its head's shape, loss, metrics, labels and results."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from afanet.tasks.classification.task import Classification
    from afanet.tasks.dense_regression.task import DenseRegression
    from afanet.tasks.depth.task import Depth
    from afanet.tasks.described import Described, Description
    from afanet.tasks.edges.task import Edges
    from afanet.tasks.human_parts.task import HumanParts
    from afanet.tasks.kinds import KINDS, Kind, read_task, register_task
    from afanet.tasks.multi_label.task import MultiLabel
    from afanet.tasks.multi_label_segmentation.task import MultiLabelSegmentation
    from afanet.tasks.normals.task import Normals
    from afanet.tasks.ordinal.task import Ordinal
    from afanet.tasks.regression.task import Regression
    from afanet.tasks.saliency.task import Saliency
    from afanet.tasks.segmentation.task import Segmentation
    from afanet.tasks.task import ColourBar, DenseTask, Legend, PooledTask, Swatches, Task
    from afanet.tasks.vector.task import Vector

# Each is imported on first use: results and kinds need no torch, tasks do.
_MODULES = {
    "classification.task": ("Classification",),
    "dense_regression.task": ("DenseRegression",),
    "depth.task": ("Depth",),
    "described": ("Described", "Description"),
    "edges.task": ("Edges",),
    "human_parts.task": ("HumanParts",),
    "kinds": ("KINDS", "Kind", "read_task", "register_task"),
    "multi_label.task": ("MultiLabel",),
    "multi_label_segmentation.task": ("MultiLabelSegmentation",),
    "normals.task": ("Normals",),
    "ordinal.task": ("Ordinal",),
    "regression.task": ("Regression",),
    "saliency.task": ("Saliency",),
    "segmentation.task": ("Segmentation",),
    "task": ("ColourBar", "DenseTask", "Legend", "PooledTask", "Swatches", "Task"),
    "vector.task": ("Vector",),
}

__all__ = [
    "KINDS",
    "Classification",
    "ColourBar",
    "DenseRegression",
    "DenseTask",
    "Depth",
    "Described",
    "Description",
    "Edges",
    "HumanParts",
    "Kind",
    "Legend",
    "MultiLabel",
    "MultiLabelSegmentation",
    "Normals",
    "Ordinal",
    "PooledTask",
    "Regression",
    "Saliency",
    "Segmentation",
    "Swatches",
    "Task",
    "Vector",
    "read_task",
    "register_task",
]


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"afanet.tasks.{module}"), name)
    raise AttributeError(f"module 'afanet.tasks' has no attribute '{name}'")
