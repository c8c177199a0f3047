"""Predicts photos with finished networks, from a run or an exported file; ONNX and OpenVINO files need no torch."""

from afanet.images import read_image, to_image
from afanet.inference.find import find_photos
from afanet.inference.model import About, Model
from afanet.inference.network_input import prepare
from afanet.inference.predictor import Predictor, open_model
from afanet.inference.together import Results, side_by_side
from afanet.photo import read_photo, to_pixels
from afanet.tasks.classification.result import Choice
from afanet.tasks.depth.result import DepthMap
from afanet.tasks.kinds import read_estimate
from afanet.tasks.multi_label.result import Labels
from afanet.tasks.normals.result import NormalMap
from afanet.tasks.regression.result import Number
from afanet.tasks.result import Result
from afanet.tasks.segmentation.result import LabelMap

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
    "Results",
    "find_photos",
    "open_model",
    "prepare",
    "read_estimate",
    "read_image",
    "read_photo",
    "side_by_side",
    "to_image",
    "to_pixels",
]
