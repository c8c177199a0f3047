"""Both pages in a real browser: what loads, what moves, what can be read.

Skipped where there is no Chromium with its driver; nothing is downloaded.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from afanet.cli.main import main

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

FLAGS = """--backbone test_resnet --network.output_stride 16 --size 32 48 --data.options.train_scenes 8
--data.options.test_scenes 6 --steps 2 --batch-size 4 --workers 0 --device cpu"""
QUIET = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-default-apps --disable-dev-shm-usage"""
PAGES = ["report", "inspect"]
LOADED = "return document.readyState === 'complete' ? location.href : null"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of three methods and the page of one run, trained for a moment."""
    folder = tmp_path_factory.mktemp("pages")
    runs = [folder / method for method in ("afa", "single", "cross_stitch")]
    for run in runs:
        assert main(["train", "rooms", "--method", run.name, *FLAGS.split(), "--out", str(run)]) == 0
    photo = folder / "a <b>.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)).save(photo)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("afanet.comparison.images.RESAMPLES", 20)
        assert main(["report", *map(str, runs), "--out", str(folder / "report.html")]) == 0
        assert main(["inspect", str(runs[0]), str(photo), "--out", str(folder)]) == 0
    return {name: folder / f"{name}.html" for name in PAGES}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One headless Chromium for all tests, which keeps what its console says and what it asks for."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium with its chromedriver on the path: the pages are not tried in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*QUIET.split(), f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    yield running
    running.quit()


def visit(browser: Any, page: Path, width: int = 1200, scheme: str = "light") -> None:
    """Open a page anew in a window of so many pixels, with nothing left in the logs of what came before."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    preferred = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", preferred)
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())
    # On a busy machine the driver can return while the blank page before it still stands.
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(LOADED) == page.as_uri())


def asked_for(browser: Any) -> list[str]:
    """The addresses that the page asked for, by the DevTools' own record."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]


def overflow(browser: Any) -> int:
    return int(browser.execute_script("return document.documentElement.scrollWidth - innerWidth"))


# Text that is seen, with the contrast of its colour and the nearest background (WCAG 2, relative luminance). Words in
# a chart that have a colour of their own stand on its cells, and are left to the tests of the charts.
CONTRASTS = """
const parse = colour => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return {rgb: [r, g, b], a}; };
const luminance = rgb => rgb.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const found = [];
for (const one of document.body.querySelectorAll("*")) {
  const words = [...one.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join(" ").trim();
  if (!words || one.closest("script, style, select, defs") || !one.checkVisibility()) continue;
  const drawn = one.closest("svg") !== null, style = getComputedStyle(one);
  if (drawn && one.style.fill) continue;
  let behind = one;
  while (behind && parse(getComputedStyle(behind).backgroundColor).a === 0) behind = behind.parentElement;
  const [text, page] = [drawn ? style.fill : style.color, getComputedStyle(behind ?? document.body).backgroundColor]
    .map(colour => luminance(parse(colour).rgb));
  found.push([words, (Math.max(text, page) + .05) / (Math.min(text, page) + .05)]);
}
return found;
"""


@pytest.mark.parametrize("name", PAGES)
def test_it_loads_from_disk_without_a_complaint_or_a_request(name: str, pages: dict[str, Path], browser: Any) -> None:
    visit(browser, pages[name])
    addresses = asked_for(browser)
    assert addresses[0] == pages[name].as_uri()
    assert all(address.startswith("data:") for address in addresses[1:])
    assert browser.get_log("browser") == []
    broken = "return [...document.images].filter(one => !(one.complete && one.naturalWidth)).length"
    assert browser.execute_script("return document.images.length") > 1
    assert browser.execute_script(broken) == 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1200, 400])
def test_it_is_no_wider_than_its_window(name: str, width: int, pages: dict[str, Path], browser: Any) -> None:
    visit(browser, pages[name], width)
    assert browser.execute_script("return innerWidth") == width
    assert overflow(browser) <= 0


@pytest.mark.parametrize("name", PAGES)
def test_its_words_can_be_read_in_light_and_dark(name: str, pages: dict[str, Path], browser: Any) -> None:
    backgrounds = []
    for scheme in ("light", "dark"):
        visit(browser, pages[name], scheme=scheme)
        found = browser.execute_script(CONTRASTS)
        assert {"Who borrowed what", "segmentation"} <= {words for words, _ in found}
        assert [(words, ratio) for words, ratio in found if ratio < 4.5] == []
        backgrounds.append(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert backgrounds[0] != backgrounds[1]


def test_the_checks_find_what_they_look_for(tmp_path: Path, browser: Any) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><link rel=icon href=data:,><body style='background: #fff'><img src='http://127.0.0.1:9/x.png'>"
        "<p style='color: #999; width: 2000px'>pale</p><script>console.warn('a word')</script>"
    )
    visit(browser, page)
    assert "http://127.0.0.1:9/x.png" in asked_for(browser)
    assert any("a word" in entry["message"] for entry in browser.get_log("browser"))
    assert overflow(browser) > 0
    assert [words for words, ratio in browser.execute_script(CONTRASTS) if ratio < 4.5] == ["pale"]


def strip(browser: Any) -> list[Any]:
    return list(browser.find_elements(By.CSS_SELECTOR, "#strip button"))


def current(browser: Any) -> list[int]:
    return [i for i, one in enumerate(strip(browser)) if one.get_attribute("aria-current") == "true"]


def heading(browser: Any) -> str:
    return str(browser.find_element(By.CSS_SELECTOR, "#stage h3").text)


def test_a_picture_is_chosen_by_a_click(pages: dict[str, Path], browser: Any) -> None:
    visit(browser, pages["report"])
    assert current(browser) == [0]
    chosen = strip(browser)[2]
    chosen.click()
    assert current(browser) == [2]
    assert heading(browser) == chosen.get_attribute("title")
    captions = [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#stage figcaption")]
    assert captions == ["image", *2 * ["truth", "single", "single: error", "afa", "afa: error"]]


@pytest.mark.parametrize("method", ["afa", "cross_stitch"])
@pytest.mark.parametrize("task", ["segmentation", "depth"])
def test_pictures_are_sorted_by_what_a_task_gained(
    method: str, task: str, pages: dict[str, Path], browser: Any
) -> None:
    visit(browser, pages["report"])
    images = json.loads(browser.find_element(By.ID, "images").get_attribute("textContent"))
    gains = {one["id"]: one["gains"][method][task] for one in images if method in one["methods"]}
    Select(browser.find_element(By.ID, "method")).select_by_visible_text(method)
    Select(browser.find_element(By.ID, "task")).select_by_visible_text(task)
    for order, sign in (("where sharing helped most", -1), ("where it hurt most", 1)):
        Select(browser.find_element(By.ID, "order")).select_by_visible_text(order)
        shown = [one.get_attribute("title") for one in strip(browser)]
        assert sorted(shown) == sorted(gains)
        worth = [math.inf if gains[name] is None else sign * gains[name] for name in shown]
        assert worth == sorted(worth)
        assert current(browser) == [0]
        assert heading(browser) == shown[0]


def test_the_gallery_works_without_a_mouse(pages: dict[str, Path], browser: Any) -> None:
    visit(browser, pages["report"])
    focused = browser.switch_to
    for _ in range(20):
        focused.active_element.send_keys(Keys.TAB)
        if focused.active_element in strip(browser):
            break
    assert focused.active_element == strip(browser)[0]
    last = len(strip(browser)) - 1
    moves = [(Keys.ARROW_LEFT, 0), (Keys.ARROW_RIGHT, 1), (Keys.END, last), (Keys.ARROW_RIGHT, last), (Keys.HOME, 0)]
    for key, place in moves:
        focused.active_element.send_keys(key)
        assert current(browser) == [place]
        assert focused.active_element == strip(browser)[place]
        assert heading(browser) == strip(browser)[place].get_attribute("title")
        style = browser.execute_script(
            "const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]"
        )
        assert style == ["solid", "3px"]
    focused.active_element.send_keys(Keys.TAB)
    assert focused.active_element not in strip(browser)  # one stop, however many pictures
    focused.active_element.send_keys(Keys.ARROW_RIGHT)
    assert current(browser) == [0]


def test_every_layer_at_which_tasks_meet_is_drawn(pages: dict[str, Path], browser: Any) -> None:
    visit(browser, pages["report"])
    titles = [one.text for one in browser.find_elements(By.TAG_NAME, "h3")]
    assert [title.partition(":")[0] for title in titles if "test images" in title] == ["afa", "cross_stitch"]
    drawn = "return [...document.querySelectorAll('.flows')].map(one => one.querySelectorAll('svg').length)"
    [afa, _, stitch, _] = browser.execute_script(drawn)  # flows and profiles of each
    rows = "return [...document.querySelectorAll('table.flow')].map(one => one.rows.length - 1)"
    assert browser.execute_script(rows) == [2 * afa, 2 * stitch]
    visit(browser, pages["inspect"])
    assert browser.execute_script(drawn)[0] == afa
