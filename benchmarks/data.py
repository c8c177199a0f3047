"""How many samples a second come out of each way to keep a data set, as ratios of one run.

    python benchmarks/data.py [--frames 64] [--size 288 384] [--seconds 6]
    python benchmarks/data.py --nyuv2 FOLDER --size 72 96

Frames of 480x640 with labels and depth, generated here, lie in the layout of the official NYUv2 MATLAB file (HDF5, one
gzip chunk a frame), as JPEG and PNG files, and in the cache that `afanet data prepare` writes from the MATLAB file.
With `--nyuv2`, the frames are those of a folder of NYUv2 as image files, and only the cache and resident data are
measured. Samples come in batches of 8, random order, through the same training transforms; the rows marked
"bare" have none, so that reading alone is seen. Resident data have no workers: the process that trains makes the
batches. Variants take turns; a figure is the median of the turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from PIL import Image
from scipy.io import savemat
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data import Collate, Data, Reader, Sample, Split, open_data
from afanet.data.cache import use_cache
from afanet.data.prepare import prepare
from afanet.data.resident import Resident, resident
from afanet.data.sets.nyuv2.nyuv2 import label_table
from afanet.data.sets.rooms.furniture import furnish
from afanet.data.sets.rooms.raycast import render
from afanet.data.transforms import DepthMap
from afanet.training.loaders import Seeded, WholeBatches

HEIGHT, WIDTH, BATCH, TURNS = 480, 640, 8, 3


def write_frames(root: Path, frames: int) -> None:
    """The same generated frames as a MATLAB file and as image files, all of them for training but the last."""
    mat, files = root / "mat", root / "files"
    mat.mkdir()
    for folder in ("rgb", "label40", "depth_mm"):
        (files / folder).mkdir(parents=True)
    noise = np.random.default_rng(0)
    with h5py.File(mat / "nyu_depth_v2_labeled.mat", "w") as file:
        packed: dict[str, Any] = {"compression": "gzip", "compression_opts": 4}
        shape, chunk = (frames, WIDTH, HEIGHT), (1, WIDTH, HEIGHT)
        images = file.create_dataset("images", (frames, 3, WIDTH, HEIGHT), "u1", chunks=(1, 3, WIDTH, HEIGHT), **packed)
        labels = file.create_dataset("labels", shape, "u2", chunks=chunk, **packed)
        depths = file.create_dataset("depths", shape, "f4", chunks=chunk, **packed)
        for index in range(frames):
            view = render(furnish(np.random.default_rng(index)), (HEIGHT, WIDTH))
            grain = noise.normal(0, 4, view.image.shape)  # a camera's, without which everything compresses too well
            image = (view.image + grain).clip(0, 255).astype(np.uint8)
            depth = view.depth * (1 + noise.normal(0, 0.002, view.depth.shape)).astype(np.float32)
            images[index], labels[index], depths[index] = image.transpose(2, 1, 0), view.labels.T + 1, depth.T
            Image.fromarray(image).save(files / f"rgb/{index + 1:04d}.jpg", quality=95)
            Image.fromarray(view.labels + 1).save(files / f"label40/{index + 1:04d}.png")
            Image.fromarray((depth * 1000).astype(np.uint16)).save(files / f"depth_mm/{index + 1:04d}.png")
    splits = {"trainNdxs": np.arange(1, frames)[:, None], "testNdxs": np.array([[frames]])}
    for folder in (mat, files):
        savemat(folder / "splits.mat", splits)


class Lazily(Reader):
    """What is usually written: open the MATLAB file once in each worker and index it sample by sample."""

    def __init__(self, path: Path):
        self.path = path
        self.table = label_table("classes894", 40)
        self.file: Any = None

    def __call__(self, index: int) -> Sample:
        if self.file is None:
            self.file = h5py.File(self.path, "r")
        image, labels, depth = (self.file[name][index - 1] for name in ("images", "labels", "depths"))
        return {
            "image": tv_tensors.Image(torch.from_numpy(image.swapaxes(1, 2).copy())),
            "targets": {
                "segmentation": tv_tensors.Mask(torch.from_numpy(self.table[labels.T])),
                "depth": DepthMap(torch.from_numpy(depth.T.copy())[None]),
            },
            "id": str(index),
        }


def samples_per_second(split: Split, data: Data, workers: int, seconds: float) -> float:
    """Samples that a loader gives in `seconds`, after its workers have started."""
    whole = isinstance(split, Resident)
    loader: DataLoader[Any] = DataLoader(
        WholeBatches(split, seed=0) if isinstance(split, Resident) else Seeded(split, seed=0),
        batch_sampler=[[(n, n * 7919 % len(split)) for n in range(k * BATCH, (k + 1) * BATCH)] for k in range(10**4)],
        num_workers=workers,
        collate_fn=_as_it_is if whole else Collate(data.tasks),
    )
    batches = iter(loader)
    for _ in range(2 * workers + 1):  # what the workers prepare ahead
        next(batches)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        next(batches)
        count += BATCH
    return count / (time.perf_counter() - start)


def _as_it_is(batch: Any) -> Any:
    return batch


def kept(opened: Data, folder: Path) -> tuple[Data, dict[str, Split]]:
    """The data in a cache that is written now, and as they are read from it and from memory."""
    start = time.perf_counter()
    prepare(opened, folder, workers=os.cpu_count() or 1)
    print(f"prepared {sum(map(len, opened.splits.values()))} frames in {time.perf_counter() - start:.1f} s")
    cached, _ = use_cache(opened, folder)
    whole = resident(cached, cached.tasks, torch.device("cpu"))
    return cached, {"afanet, cached": cached.train, "afanet, resident": whole.train}


def generated(root: Path, frames: int, size: tuple[int, int]) -> tuple[Data, dict[str, Split]]:
    """Every way to keep generated frames."""
    write_frames(root, frames)
    mat, files = open_data("nyuv2", root / "mat", size), open_data("nyuv2", root / "files", size)
    bare = v2.CenterCrop([HEIGHT, WIDTH])  # of the frames' own size: everything passes as it is
    lazily = Split(Lazily(root / "mat/nyu_depth_v2_labeled.mat"), mat.train.items, mat.train.transform)
    ways = {"h5py, sample by sample": lazily, "afanet, MATLAB file": mat.train, "afanet, JPEG and PNG": files.train}
    cached, others = kept(mat, root / "cache")
    read = ways | {"afanet, cached": cached.train}
    return mat, ways | others | {f"{name}, bare": Split(way.read, way.items, bare) for name, way in read.items()}


def main() -> None:
    """Open the data in every way, take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--nyuv2", type=Path, help="folder of NYUv2, instead of generated frames")
    parser.add_argument("--size", type=int, nargs=2, default=[288, 384], metavar=("H", "W"))
    parser.add_argument("--seconds", type=float, default=6, help="of each turn")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size = (options.size[0], options.size[1])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if options.nyuv2:
            data, ways = kept(open_data("nyuv2", options.nyuv2, size), root)
        else:
            data, ways = generated(root, options.frames, size)
        asked = {name: (0,) if isinstance(way, Resident) else (0, 1, 2) for name, way in ways.items()}
        rates = {(name, workers): list[float]() for name in ways for workers in asked[name]}
        for _ in range(TURNS):
            for name, workers in rates:
                rates[name, workers].append(samples_per_second(ways[name], data, workers, options.seconds))
    print(f"{options.size[0]}x{options.size[1]}, batches of {BATCH}, {os.cpu_count()} cores, torch {torch.__version__}")
    print(f"{'samples a second':32}" + "".join(f"{f'{n} workers':>13} {'ratio':>7}" for n in (0, 1, 2)))
    for name in ways:
        base = next(iter(ways)) + (", bare" if name.endswith("bare") else "")
        line = f"{name:32}"
        for workers in asked[name]:
            ratio = statistics.median(a / b for a, b in zip(rates[name, workers], rates[base, workers], strict=True))
            line += f"{statistics.median(rates[name, workers]):13.1f} {ratio:6.2f}x"
        print(line)
    print("ratio: over the first row with as many workers")


if __name__ == "__main__":
    main()
