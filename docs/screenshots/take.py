"""Makes the pictures of `reading-the-report.md` anew: `python docs/screenshots/take.py FOLDER`.

Trains six small networks on generated rooms into FOLDER (a quarter of an hour on one core; what is finished there is
taken as it is), has the pages written, and photographs their sections with Chromium, which has to be installed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

from PIL import Image, ImageChops

from afanet.cli import main
from afanet.data import open_data

HERE = Path(__file__).absolute().parent
COMPARE = [
    "compare",
    "rooms",
    "--methods",
    "single,hard,afa",
    "--seeds",
    "2",
    "--size",
    "48",
    "64",
    "--backbone",
    "test_resnet",
    "--epochs",
    "4",
]
SECTIONS = {  # of each page, by the number of the heading above
    "report": {0: "verdict", 1: "figures", 2: "images", 4: "learning", 5: "details"},
    "inspect": {0: "connections", 1: "maps"},
}
WIDTH, TALLEST, SCALE = 1300, 4000, 1.0
ONLY = """<script>
let section = 0;
for (const one of document.querySelector("main").children) {
  if (one.tagName === "H2") section += 1;
  if (section !== WANTED) one.style.display = "none";
}
</script>"""
QUIET = [
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]


def write_pages() -> dict[str, Path]:
    """Train what is missing, and write both pages."""
    run = Path("runs/rooms/afa-seed0")
    photo = open_data("rooms", size=(192, 256), train_scenes=1).test.read(3)["image"]
    Image.fromarray(photo.permute(1, 2, 0).numpy()).save("photo.jpg")
    for command in (
        [*COMPARE, "--workers", "0", "--device", "cpu", "--out", "runs/rooms"],
        ["inspect", str(run), "photo.jpg"],
    ):
        if main(command):
            sys.exit("failed: " + " ".join(command))
    return {"report": Path("runs/rooms/report.html"), "inspect": run / "inspect.html"}


def photograph(page: Path, section: int, picture: Path) -> None:
    """One section of a page, cut to what stands in it, in 256 colours."""
    with tempfile.TemporaryDirectory() as folder:
        alone, shot = Path(folder, "page.html"), Path(folder, "shot.png")
        html = page.read_text(encoding="utf-8").removesuffix("\n").removesuffix("</html>")
        alone.write_text(html + ONLY.replace("WANTED", str(section)), encoding="utf-8")
        size = [f"--window-size={WIDTH},{TALLEST}", f"--force-device-scale-factor={SCALE}"]
        where = [f"--user-data-dir={folder}/profile", f"--screenshot={shot}", alone.as_uri()]
        chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *QUIET]
        subprocess.run([*chromium, *size, *where], check=True, capture_output=True)
        whole = Image.open(shot).convert("RGB")
        left, top, right, bottom = ImageChops.difference(whole, Image.new("RGB", whole.size, "white")).getbbox()
        cut = whole.crop((max(0, left - 12), max(0, top - 12), right + 12, bottom + 12))
        # widest coverage, then refined: small swatches of a legend keep their colours, and gradients stay smooth
        few = cut.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
        few.save(picture, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with chdir(folder):
        for name, page in write_pages().items():
            for section, title in SECTIONS[name].items():
                photograph(page.absolute(), section, HERE / f"{name}-{title}.png")
