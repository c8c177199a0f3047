"""The common part of the readers of all layouts: it checks a frame's raw arrays and converts them to a sample."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from afanet.data.edges import edges_from_labels
from afanet.data.files import format_shape, require_shape
from afanet.data.normals import Pinhole, normals_from_depth
from afanet.data.sample import Reader, Sample
from afanet.data.transforms import DepthMap, NormalMap
from afanet.errors import InputError
from afanet.tasks.edges.target import EdgeMap

CAMERA = Pinhole(fx=518.858, fy=519.470, cx=325.582, cy=253.736)  # the official colour camera,
CAMERA_SIZE = (480, 640)  # at this size
CAMERA_ASPECT = CAMERA_SIZE[0] / CAMERA_SIZE[1]
SHORTEST = 0.5  # a shorter vector comes from the grey that marks pixels without a normal


class Raw(NamedTuple):
    """A frame as its files store it: image uint8 (H, W, 3), labels (H, W), depth (H, W) metres, normals (H, W, 3).

    Edges (H, W) are 1 on an edge, 0 elsewhere, and -1 where unknown.
    """

    image: NDArray[Any]
    labels: NDArray[Any]
    depth: NDArray[Any]
    normals: NDArray[Any] | None = None
    edges: NDArray[Any] | None = None


class Frames(Reader):
    """A reader of one layout. `table` maps label ids to classes; the first id is `first`, which is void.

    With `normals`, a sample also has normals: the layout's own if it has them (`own_normals`), whose axes `turn` (3, 3)
    converts to ours, else normals from depth. Normals from depth, and scores of `cropped` frames, need the camera's
    whole view. With `edges`, a sample has edges: the layout's own (`own_edges`), else the borders of its labels.
    """

    first = 0
    own_normals = False
    edges = False
    own_edges = False
    cropped = False

    def __init__(self, table: NDArray[np.uint8], normals: bool = False) -> None:
        self.table = table
        self.normals = normals
        self.turn = torch.eye(3)

    @abstractmethod
    def raw(self, item: Any) -> Raw:
        """The arrays of a frame."""

    @abstractmethod
    def where(self, item: Any, part: str) -> str:
        """The location of a part of `Raw`, for the beginning of a sentence."""

    @abstractmethod
    def id(self, item: Any) -> str:
        """The frame's image file, relative to the data's root, and in a file of several frames its index."""

    def __call__(self, item: Any) -> Sample:
        raw = self.raw(item)
        image = raw.image
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(
                f"{self.where(item, 'image')} is {format_shape(image.shape)} of {image.dtype}, expected HxWx3 "
                "of uint8: copy it again"
            )
        for part, values in raw._asdict().items():
            shape = (*image.shape[:2], 3) if part == "normals" else image.shape[:2]
            if part != "image" and values is not None:
                require_shape(self.where(item, part), values.shape, self.where(item, "image"), shape)
        self._require_whole(item, raw)
        depth = self._depth(item, raw.depth)
        targets: dict[str, Tensor] = {
            "segmentation": tv_tensors.Mask(torch.from_numpy(self.table[self._ids(item, raw.labels)])),
            "depth": DepthMap(depth[None]),
        }
        if self.normals:
            own = raw.normals
            normals = from_depth(depth) if own is None else torch.einsum("ij,jhw->ihw", self.turn, unit(own))
            targets["normals"] = NormalMap(normals)
        if self.edges:
            edges = edges_from_labels(raw.labels) if raw.edges is None else raw.edges[None]
            targets["edges"] = EdgeMap(torch.from_numpy(edges))
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1))
        return {
            "image": tv_tensors.Image(torch.from_numpy(pixels)),
            "targets": targets,
            "id": self.id(item),
        }

    def _require_whole(self, item: Any, raw: Raw) -> None:
        option = "mask" if self.cropped else "normals" if self.normals and raw.normals is None else None
        if option and abs(raw.image.shape[0] / raw.image.shape[1] / CAMERA_ASPECT - 1) > 0.005:
            why = "the crop is elsewhere" if self.cropped else "normals from depth are wrong"
            raise InputError(
                f"{self.where(item, 'depth')} is {format_shape(raw.depth.shape)} pixels, not the camera's whole view, "
                f"without which {why}: leave the option '{option}' out"
            )

    def _ids(self, item: Any, labels: NDArray[Any]) -> NDArray[np.int64]:
        last = self.first + len(self.table) - 1
        wrong = labels[~((labels >= self.first) & (labels <= last) & (labels == labels // 1))]
        if wrong.size:
            raise InputError(
                f"{self.where(item, 'labels')} has label {wrong.flat[0]}, expected {self.first} (void) to {last}: "
                f"correct the labels"
            )
        return labels.astype(np.int64) - self.first

    def _depth(self, item: Any, depth: NDArray[Any]) -> Tensor:
        if depth.dtype.kind != "f":
            raise InputError(
                f"{self.where(item, 'depth')} is of type {depth.dtype}, expected metres in floating point: convert it"
            )
        wrong = depth[~(np.isfinite(depth) & (depth >= 0))]
        if wrong.size:
            raise InputError(
                f"{self.where(item, 'depth')} has depth {wrong.flat[0]}, expected metres, or 0 where nothing was "
                f"measured: correct the depth"
            )
        return torch.from_numpy(np.ascontiguousarray(depth, dtype=np.float32))


def from_depth(depth: Tensor) -> Tensor:
    """The normals (3, H, W) of a depth map (H, W) that shows the official camera's whole view.

    The windows are one thirtieth of the image wide, since this camera's depth is noisy.
    """
    height, width = depth.shape
    camera = CAMERA.resized(CAMERA_SIZE, (height, width))
    return normals_from_depth(depth, camera, radius=3, step=max(1, round(width / 192)))


def unit(normals: NDArray[Any]) -> Tensor:
    """Normals (H, W, 3) as float32 (3, H, W) of unit length; much shorter or not finite vectors become 0, 0, 0.

    >>> unit(np.array([[[0.0, 0.6, 0.7], [0.01, 0.01, 0.0], [np.nan, 0.0, 1.0]]])).norm(dim=0).tolist()
    [[1.0, 0.0, 0.0]]
    """
    vectors = torch.from_numpy(np.ascontiguousarray(normals.transpose(2, 0, 1), dtype=np.float32))
    length = vectors.norm(dim=0)
    return torch.where((length > SHORTEST) & length.isfinite(), vectors / length, 0)
