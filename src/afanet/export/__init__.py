"""A finished run as one file for production, or as a folder to share: checked against the run, with a model card."""

from afanet.export.adapters_file import export_adapters
from afanet.export.export import Exported, export_run
from afanet.export.pooling import PoolingSpelledOut
from afanet.export.precision import Compression
from afanet.export.push import Pushed, push_run
from afanet.export.save import Saved, save_run

__all__ = [
    "Compression",
    "Exported",
    "PoolingSpelledOut",
    "Pushed",
    "Saved",
    "export_adapters",
    "export_run",
    "push_run",
    "save_run",
]
