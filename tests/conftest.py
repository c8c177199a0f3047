"""One headless Chromium for all tests of pages; they are skipped where there is none, and nothing is downloaded."""

from __future__ import annotations

import gc
import json
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .axe import faults as faults
from .finished import finished as finished
from .hub import hub as hub
from .tiny import recipe as recipe
from .tiny import small as small
from .tiny import tiny as tiny
from .tiny import tiny_network as tiny_network


def pytest_configure() -> None:
    """Collect garbage rarely: what the tests import is millions of objects, and looking through them takes time."""
    gc.set_threshold(20_000, 20, 50)


def pytest_collection_finish() -> None:
    """Look no more through what was imported until now, and through the tests themselves."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _garbage_is_collected() -> Iterator[None]:
    """What the tests of a file leave in cycles, such as traced networks, is gone before the next file's begin."""
    yield
    gc.collect()


QUIET = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-default-apps --disable-dev-shm-usage
--use-fake-ui-for-media-stream --use-fake-device-for-media-stream"""

# Text that is seen, with its colour and that of the nearest background. Words in a chart that have a colour of their
# own stand on its cells, and are left to the tests of the charts.
WORDS = """
const found = [];
for (const one of document.body.querySelectorAll("*")) {
  const words = [...one.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join(" ").trim();
  if (!words || one.closest("script, style, select, defs") || !one.checkVisibility()) continue;
  const drawn = one.closest("svg") !== null, style = getComputedStyle(one);
  if (drawn && one.style.fill) continue;
  let behind = one;
  while (behind && getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  found.push([words, drawn ? style.fill : style.color, getComputedStyle(behind ?? document.body).backgroundColor]);
}
return found;
"""


class Browser:
    """A Chromium that keeps what its console says and what it asks for."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def visit(self, address: str, width: int = 1200, scheme: str = "light", touch: bool = False) -> None:
        """Open a page anew in a window of so many pixels, with nothing left in the logs of what came before."""
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": touch}
        self.command("Emulation.setDeviceMetricsOverride", **screen)
        self.command("Emulation.setTouchEmulationEnabled", enabled=touch)
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", features=preferred)
        self.driver.get("about:blank")
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(address)
        # On a busy machine the driver can return while the blank page before it still stands.
        self.wait(lambda: self.script("return document.readyState === 'complete' && location.href") == address)

    def command(self, name: str, **parameters: object) -> Any:
        """A command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def script(self, source: str, *arguments: object) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(source, *arguments)

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", selector))

    def wait(self, until: Callable[[], object]) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 60).until(lambda _: until())

    def asked_for(self) -> list[str]:
        """The addresses that the page asked for since the last time, by the DevTools' own record."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]

    def complaints(self) -> list[str]:
        """What the console said since the last time."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.script("return document.documentElement.scrollWidth - innerWidth"))

    def contrasts(self) -> dict[str, float]:
        """The text that is seen, with its contrast; of the same words in several places the lowest."""
        found: dict[str, float] = {}
        for words, colour, behind in self.script(WORDS):
            found[words] = min(contrast(colour, behind), found.get(words, 21))
        return found

    def contrast(self, selector: str, colour: str, behind: str = "body") -> float:
        """The contrast of a colour of an element, by its CSS property, and the background of another."""
        read = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
        return contrast(self.script(read, selector, colour), self.script(read, behind, "backgroundColor"))


def contrast(one: str, other: str) -> float:
    """That of two opaque colours as a browser computes them, from 1 to 21 (WCAG 2)."""
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    levels = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour)
    assert levels, f"{colour} is not opaque"
    shares = [int(level) / 255 for level in levels.groups()]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium with its chromedriver on the path: the pages are not tried in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*QUIET.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    yield Browser(running)
    running.quit()
