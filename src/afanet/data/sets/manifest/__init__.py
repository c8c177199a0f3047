"""Data of one's own: a table of images and labels, and the tasks that a recipe declares for its columns."""

from afanet.data.sets.manifest.manifest import open_manifest

__all__ = ["open_manifest"]
