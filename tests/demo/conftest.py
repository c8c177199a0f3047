"""Small runs, the page of each as the command serves it, and what a photo looks like as a file."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image

from afanet.cli.main import main
from afanet.demo import Address, Exhibit, find_address
from afanet.demo.server import configure
from afanet.runs.run import load_run

ROOMS = """rooms --size 32 48 --data.options.train_scenes 8 --data.options.test_scenes 6 --network.output_stride 16"""
DIGITS = """digits --data.options.train_pairs 64 --data.options.test_pairs 32"""
SHORT = """--backbone test_resnet --network.head linear --steps 2 --batch-size 4 --workers 0 --device cpu"""
RUNS = {
    "afa": f"{ROOMS} --method afa --network.meet stages",
    "cross_stitch": f"{ROOMS} --method cross_stitch",
    "single": f"{ROOMS} --method single",
    "digits": f"{DIGITS} --method afa",
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of one of `RUNS`, trained when it is asked for."""

    @cache
    def train(name: str) -> Path:
        folder = tmp_path_factory.mktemp("demo") / name
        assert main(["train", *f"{RUNS[name]} {SHORT}".split(), "--out", str(folder)]) == 0
        return folder

    return train


@pytest.fixture(scope="session")
def run(trained: Callable[[str], Path]) -> Path:
    return trained("afa")


@pytest.fixture(scope="session")
def exhibits(trained: Callable[[str], Path]) -> Callable[[str], Exhibit]:
    def show(name: str) -> Exhibit:
        exhibit = Exhibit(load_run(trained(name)))
        for key, weight in exhibit.predictor.network.named_parameters():
            if key.endswith("head.logits.weight"):
                weight.data *= 30  # two steps teach nothing: let what a pixel sees change more than a rounding
        return exhibit

    return cache(show)


@pytest.fixture(scope="session")
def exhibit(exhibits: Callable[[str], Exhibit]) -> Exhibit:
    return exhibits("afa")


@pytest.fixture(scope="session")
def served(exhibits: Callable[[str], Exhibit], serving: Callable[..., Any]) -> Iterator[Callable[[str], str]]:
    """The address of the page of one of `RUNS`, served from when it is asked for to the end."""
    with ExitStack() as until_the_end:
        yield cache(lambda name: until_the_end.enter_context(serving(exhibits(name))))


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """A context in which a page is served at an address, as the command does; it gives the page's URL here."""

    @contextmanager
    def serve(exhibit: Exhibit, address: Address | None = None) -> Iterator[str]:
        address = address or find_address("127.0.0.1")
        with address.listen(0) as listening:
            server = uvicorn.Server(configure(exhibit, address.names))
            thread = Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
            server.should_exit = True
            thread.join()

    return serve


class Page:
    """The page in a browser, and what the tests do on it over and over."""

    def __init__(self, browser: Any, served: Callable[[str], str]) -> None:
        self.browser, self.served = browser, served

    def open(self, run: str = "afa", **options: object) -> None:
        """The page of one of `RUNS`, with the options of a browser's visit."""
        self.browser.visit(self.served(run), **options)
        self.browser.wait(lambda: self.text("about"))

    def text(self, name: str) -> str:
        """What is read at an element, by its id."""
        return str(self.browser.one(f"#{name}").text)

    def choose(self, file: Path) -> None:
        """Choose a photo and wait for the answer."""
        self.browser.one("#file").send_keys(str(file))
        self.done()

    def pick(self, number: int) -> None:
        """Pick a sample and wait for the answer."""
        self.browser.all("#samples button")[number].click()
        self.done()

    def done(self, words: str = "Done.") -> None:
        """Wait until the page says so."""
        self.browser.wait(lambda: words in self.text("status"))

    def pictures(self, selector: str = ".predicted") -> list[str]:
        return [one.get_attribute("src") for one in self.browser.all(selector)]


@pytest.fixture
def page(browser: Any, served: Callable[[str], str]) -> Iterator[Page]:
    """No word on the console but of refused files, and no request to elsewhere, is a part of every test."""
    page = Page(browser, served)
    yield page
    assert [one for one in browser.complaints() if "status of 422" not in one] == []
    here = re.match(r"http://[^/]+/", browser.script("return location.href"))
    assert here is not None
    assert [url for url in browser.asked_for() if not url.startswith((here[0], "data:", "blob:", "about:"))] == []


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory, photo: np.ndarray, as_file: Callable[..., bytes]) -> Path:
    """The photo as a file."""
    file = tmp_path_factory.mktemp("pictures") / "photo.png"
    file.write_bytes(as_file(photo))
    return file


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def as_file() -> Callable[..., bytes]:
    def save(pixels: np.ndarray | Image.Image, form: str = "PNG", **options: object) -> bytes:
        file = io.BytesIO()
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        image.save(file, form, **options)
        return file.getvalue()

    return save
