"""The page in a real browser: a photo goes in, predictions come out, the switch, the cut and the cursor work.

Skipped where there is no Chromium with its driver; nothing is downloaded.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    """The page as the command serves it, in a process of its own."""
    command = [sys.executable, "-m", "afanet", "demo", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        yield re.search(r"http://\S+:\d+", served.stdout.readline())[0] + "/"
        served.send_signal(signal.SIGINT)


def text(browser: Any, name: str) -> str:
    return str(browser.one(f"#{name}").text)


def visit(browser: Any, address: str, width: int) -> None:
    browser.visit(address, width)
    browser.wait(lambda: text(browser, "about"))


@pytest.mark.parametrize("width", [1200, 400])
def test_a_photo_is_chosen_and_everything_answers(
    width: int, address: str, browser: Any, tmp_path: Path, photo: np.ndarray, as_file: Callable[..., bytes]
) -> None:
    visit(browser, address, width)
    file = tmp_path / "photo.png"
    file.write_bytes(as_file(photo))
    browser.one("#file").send_keys(str(file))
    browser.wait(lambda: text(browser, "status") == "Done.")
    assert [one.text for one in browser.all("#views h2")] == [
        "photo",
        "segmentation",
        "depth",
    ]
    assert browser.overflow() <= 0

    view = browser.all(".view")[2]
    view.send_keys(Keys.ARROW_RIGHT)
    said = text(browser, "cursor")
    assert re.fullmatch(r"segmentation: [\w -]+ · depth: \d+\.\d\d m", said)

    assert not browser.all(".taken")
    browser.one("#overlay").send_keys(Keys.SPACE)
    assert len(browser.all(".taken")) == 2
    first = browser.one(".taken").get_attribute("src")
    Select(browser.one("#layer")).select_by_index(0)
    assert browser.one(".taken").get_attribute("src") != first

    assert text(browser, "cuts") == "not cut"
    browser.one("#cut").send_keys(Keys.ARROW_RIGHT)
    browser.wait(lambda: "With the cut" in text(browser, "views"))
    assert text(browser, "cuts").startswith("cut at ")

    assert browser.complaints() == []
    assert all(url.startswith((address, "data:", "blob:")) for url in browser.asked_for())


def test_a_sample_is_picked_and_a_hostile_file_gets_a_sentence(address: str, browser: Any, tmp_path: Path) -> None:
    visit(browser, address, 1200)
    samples = browser.all("#samples button")
    assert len(samples) == 6
    samples[3].send_keys(Keys.ENTER)
    browser.wait(lambda: text(browser, "status") == "Done.")
    bad = tmp_path / "photo.png"
    bad.write_bytes(b"<script>alert(1)</script>")
    browser.one("#file").send_keys(str(bad))
    browser.wait(lambda: "no picture that can be read" in text(browser, "status"))
    assert not browser.one("#answer").is_displayed()
