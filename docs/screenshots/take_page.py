"""Makes the pictures of `trying.md` anew: `python docs/screenshots/take_page.py FOLDER`.

Trains a small network on generated rooms into FOLDER (some minutes on one core; what is finished there is taken as it
is), serves its page as `afanet demo` does, and photographs it with Chromium, which has to be installed with its driver.
"""

from __future__ import annotations

import base64
import io
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from afanet.cli import main

HERE = Path(__file__).absolute().parent
TRAIN = ["train", "rooms", "--method", "afa", "--backbone", "test_resnet", "--network.meet", "stages", "--epochs", "8"]
SCREENS = {"desktop": (1200, 830, "light"), "phone": (390, 844, "dark")}


@contextmanager
def served(run: Path) -> Iterator[str]:
    """The address of the run's page."""
    command = [sys.executable, "-m", "afanet", "demo", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+:\d+", line)
        if found is None:
            sys.exit(f"the page is not served: {line}")
        yield found[0]
        process.send_signal(signal.SIGINT)


def photograph(browser: webdriver.Chrome, address: str, screen: str) -> None:
    """The page with a sample, a point that is read and what was taken, as the window shows it, in 256 colours."""
    width, height, scheme = SCREENS[screen]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    browser.get(address)
    wait = WebDriverWait(browser, 60)
    wait.until(lambda _: browser.find_elements("css selector", "#samples button"))[2].click()
    wait.until(lambda _: browser.find_element("id", "status").text == "Done.")
    browser.find_elements("css selector", ".view")[-1].send_keys(4 * Keys.ARROW_LEFT + 9 * Keys.ARROW_DOWN)
    if screen == "phone":
        browser.execute_script("document.querySelectorAll('figure')[1].scrollIntoView({block: 'start'})")
    ActionChains(browser).pause(0.5).perform()
    shot = base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {})["data"])
    whole = Image.open(io.BytesIO(shot)).convert("RGB")
    few = whole.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    few.save(HERE / f"try-{screen}.png", optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    run = Path(sys.argv[1]) / "rooms-afa"
    if not (run / "metrics.json").exists() and main([*TRAIN, "--workers", "0", "--device", "cpu", "--out", str(run)]):
        sys.exit("the network could not be trained")
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or sys.exit("chromium is missing")
    driver = shutil.which("chromedriver") or sys.exit("chromedriver is missing")
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    with served(run) as address:
        for screen in SCREENS:
            photograph(browser, address, screen)
    browser.quit()
