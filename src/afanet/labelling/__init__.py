"""A network labels images that have no labels: label files, and a table with a confidence for each label."""

from afanet.labelling.label_images import label
from afanet.labelling.summary import Labelled, OfTask
from afanet.labelling.teacher import Teacher

__all__ = ["Labelled", "OfTask", "Teacher", "label"]
