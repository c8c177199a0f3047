"""Your own data: a table of images and labels, and the tasks that a recipe declares for its columns."""

from afanet.data.data_set import DataSet
from afanet.data.sets.manifest.manifest import open_manifest

__all__ = ["DATA_SET", "open_manifest"]

DATA_SET = DataSet(open=open_manifest)
