"""Finished networks on anybody's photos, from a run or from an ONNX file; torch is needed for runs alone."""

from afanet.inference.find import find_photos
from afanet.inference.model import About, Model
from afanet.inference.network_input import prepare
from afanet.inference.predictor import Predictor, open_model
from afanet.inference.results import (
    Choice,
    DepthMap,
    LabelMap,
    Labels,
    NormalMap,
    Number,
    Result,
    read_estimate,
    side_by_side,
)
from afanet.photo import read_photo, to_pixels

__all__ = [
    "About",
    "Choice",
    "DepthMap",
    "LabelMap",
    "Labels",
    "Model",
    "NormalMap",
    "Number",
    "Predictor",
    "Result",
    "find_photos",
    "open_model",
    "prepare",
    "read_estimate",
    "read_photo",
    "side_by_side",
    "to_pixels",
]
