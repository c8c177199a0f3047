"""Labels of ordinal regression: the class's name."""

from __future__ import annotations

from afanet.tasks.classification.column import ClassificationColumn
from afanet.tasks.ordinal.task import Ordinal
from afanet.tasks.task import Task


class OrdinalColumn(ClassificationColumn):
    """One of several classes in an order, by name."""

    def task(self, name: str) -> Task:
        return Ordinal(name, self.classes)
