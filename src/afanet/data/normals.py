"""Surface normals from a depth map and the camera that took it, by fitting a plane around every pixel."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Pinhole(NamedTuple):
    """A camera's focal lengths and principal point in pixels, from the image's top left corner.

    >>> Pinhole(500.0, 500.0, 320.0, 240.0).resized((480, 640), (240, 320))
    Pinhole(fx=250.0, fy=250.0, cx=160.0, cy=120.0)
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def resized(self, size: tuple[int, int], to: tuple[int, int]) -> Pinhole:
        """The camera of images of `size` = (H, W) for the same images resized."""
        down, across = to[0] / size[0], to[1] / size[1]
        return Pinhole(self.fx * across, self.fy * down, self.cx * across, self.cy * down)


def normals_from_depth(depth: Tensor, camera: Pinhole, radius: int = 3, step: int = 1, edge: float = 0.05) -> Tensor:
    """Unit normals in camera axes, float32 (3, H, W), x to the right, y up, z towards the camera; 0, 0, 0 = unknown.

    `depth` is (H, W) in metres, 0 where there is no measurement. A pixel at ray (u, v, 1) sees the plane n P = d at
    depth Z with

        1 / Z = (n_x u + n_y v + n_z) / d,

    so inverse depth is affine over the image of a plane, and its least-squares fit over a window gives n, which is
    exact for a plane of any tilt. The window has 2 `radius` + 1 pixels a side, each `step` from the next; a wide window
    removes noise, but also small things. Pixels whose depth differs from the middle pixel's by more than the
    fraction `edge` of it belong to another surface and are left out. If the middle has no measurement, or less than a
    quarter of the window is left, the normal is not known.

    >>> facing = normals_from_depth(torch.full((8, 8), 2.0), Pinhole(10, 10, 4, 4))
    >>> facing[:, 4, 4].tolist() == [0, 0, 1]
    True
    """
    height, width = depth.shape
    measured = depth > 0
    inverse = torch.where(measured, 1 / depth, 0).float()
    side = 2 * radius + 1
    around = F.unfold(inverse[None, None], side, dilation=step, padding=radius * step)[0]  # (side^2, H W), 0 outside
    middle = inverse.reshape(1, -1)
    # |Z - Z0| <= edge Z0 in terms of 1/Z and 1/Z0; a hole, 0, is never near a measured pixel.
    near = ((around * (1 - edge) <= middle) & (around * (1 + edge) >= middle) & (middle > 0)).float()
    rise = (around - middle).mul_(near)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device=depth.device) * step
    y, x = (offset.flatten() for offset in torch.meshgrid(offsets, offsets, indexing="ij"))
    count, sx, sy, sxx, sxy, syy = torch.stack([torch.ones_like(x), x, y, x * x, x * y, y * y]) @ near
    sq, sxq, syq = torch.stack([torch.ones_like(x), x, y]) @ rise
    # The normal equations about the mean, times the count, so that the left side is in whole numbers.
    xx, xy, yy = count * sxx - sx * sx, count * sxy - sx * sy, count * syy - sy * sy
    xq, yq = count * sxq - sx * sq, count * syq - sy * sq
    spread = xx * yy - xy * xy
    known = (4 * count >= side * side) & (spread > 0)
    slope_x = torch.where(known, (xq * yy - yq * xy) / spread, 0)
    slope_y = torch.where(known, (yq * xx - xq * xy) / spread, 0)
    level = middle[0] + torch.where(known, (sq - slope_x * sx - slope_y * sy) / count, 0)
    # Convert slopes per pixel to slopes per ray, and move the fit from the pixel to the principal point.
    a, b = slope_x * camera.fx, slope_y * camera.fy
    v, u = torch.meshgrid(
        (torch.arange(height, device=depth.device) + 0.5 - camera.cy) / camera.fy,
        (torch.arange(width, device=depth.device) + 0.5 - camera.cx) / camera.fx,
        indexing="ij",
    )
    c = level - a * u.flatten() - b * v.flatten()
    # (a, b, c) points away from the camera, with x right, y down, z away: reverse it and convert it to our axes.
    normals = torch.where(known, F.normalize(torch.stack([-a, b, c]), dim=0), 0)
    return normals.reshape(3, height, width)
