"""How long `afanet data init` takes for a table of many images, and how much memory.

    python benchmarks/tables.py --rows 300000

Writes that many images of a pixel, in folders of a thousand, with a table of eight columns beside them, into a
temporary folder. Reports the seconds that init takes and the memory at the peak, of which importing takes the base.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import resource
import tempfile
import time
from pathlib import Path

from PIL import Image

from afanet.data.intake.init import init_manifest


def write(root: Path, rows: int) -> None:
    """A folder of images and its table."""
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    rng = random.Random(0)
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "subject_id", "age", "score", "breed", "stage", "tags", "note"])
        for number in range(rows):
            folder = root / f"images/{number // 1000:04d}"
            if number % 1000 == 0:
                folder.mkdir(parents=True)
            (folder / f"{number:07d}.png").write_bytes(stream.getvalue())
            tags = ";".join(sorted(rng.sample(["indoor", "sunny", "wet", "old"], rng.randint(1, 3))))
            values = [rng.randint(0, 99), f"{rng.random():.6f}", f"breed {rng.randint(0, 119)}", rng.randint(1, 5)]
            table.writerow([f"{number:07d}.png", f"s{number // 10}", *values, tags, f"taken as number {number}"])


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), rows)
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.perf_counter()
        print(init_manifest(Path(folder)))
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{rows:,} rows: {seconds:.1f} s, {peak:.0f} MiB at the peak, {base:.0f} before")


if __name__ == "__main__":
    main()
