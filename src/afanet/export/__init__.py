"""A finished run as one file for production: ONNX or `torch.export`, checked against the run, with a model card."""

from afanet.export.adapters_file import export_adapters
from afanet.export.export import Exported, export_run

__all__ = ["Exported", "export_adapters", "export_run"]
