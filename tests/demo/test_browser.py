"""The page in a real browser: a photo goes in, predictions come out, the switch, the cut and the cursor work.

Skipped where there is no Chromium with its driver; nothing is downloaded.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

QUIET = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-default-apps --disable-dev-shm-usage"""


@pytest.fixture(scope="module")
def address(run: Path) -> Iterator[str]:
    """The page as the command serves it, in a process of its own."""
    command = [sys.executable, "-m", "afanet", "demo", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        yield re.search(r"http://\S+:\d+", served.stdout.readline())[0]
        served.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium with its chromedriver on the path: the page is not tried in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*QUIET.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    yield running
    running.quit()


def wait(browser: Any, until: Callable[[], object]) -> None:
    WebDriverWait(browser, 60).until(lambda _: until())


def text(browser: Any, name: str) -> str:
    return str(browser.find_element(By.ID, name).text)


def visit(browser: Any, address: str, width: int) -> None:
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(address)
    wait(browser, lambda: text(browser, "about"))


@pytest.mark.parametrize("width", [1200, 400])
def test_a_photo_is_chosen_and_everything_answers(
    width: int, address: str, browser: Any, tmp_path: Path, photo: np.ndarray, as_file: Callable[..., bytes]
) -> None:
    visit(browser, address, width)
    file = tmp_path / "photo.png"
    file.write_bytes(as_file(photo))
    browser.find_element(By.ID, "file").send_keys(str(file))
    wait(browser, lambda: text(browser, "status") == "Done.")
    assert [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#views h2")] == [
        "photo",
        "segmentation",
        "depth",
    ]
    assert browser.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0

    view = browser.find_elements(By.CSS_SELECTOR, ".view")[2]
    view.send_keys(Keys.ARROW_RIGHT)
    said = text(browser, "cursor")
    assert re.fullmatch(r"segmentation: [\w -]+ · depth: \d+\.\d\d m", said)

    assert not browser.find_elements(By.CSS_SELECTOR, ".taken")
    browser.find_element(By.ID, "overlay").send_keys(Keys.SPACE)
    assert len(browser.find_elements(By.CSS_SELECTOR, ".taken")) == 2
    first = browser.find_element(By.CSS_SELECTOR, ".taken").get_attribute("src")
    Select(browser.find_element(By.ID, "layer")).select_by_index(0)
    assert browser.find_element(By.CSS_SELECTOR, ".taken").get_attribute("src") != first

    assert text(browser, "cuts") == "not cut"
    browser.find_element(By.ID, "cut").send_keys(Keys.ARROW_RIGHT)
    wait(browser, lambda: "With the cut" in text(browser, "views"))
    assert text(browser, "cuts").startswith("cut at ")

    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


def test_a_sample_is_picked_and_a_hostile_file_gets_a_sentence(address: str, browser: Any, tmp_path: Path) -> None:
    visit(browser, address, 1200)
    samples = browser.find_elements(By.CSS_SELECTOR, "#samples button")
    assert len(samples) == 6
    samples[3].send_keys(Keys.ENTER)
    wait(browser, lambda: text(browser, "status") == "Done.")
    bad = tmp_path / "photo.png"
    bad.write_bytes(b"<script>alert(1)</script>")
    browser.find_element(By.ID, "file").send_keys(str(bad))
    wait(browser, lambda: "no picture that can be read" in text(browser, "status"))
    assert not browser.find_element(By.ID, "answer").is_displayed()
