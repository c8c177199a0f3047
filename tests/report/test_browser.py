"""Both pages in a real browser: what loads, what moves, what can be read.

Skipped where there is no Chromium with its driver; nothing is downloaded.
"""

from __future__ import annotations

import json
import math
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from afanet.cli.main import main

pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

FLAGS = """--backbone test_resnet --network.head linear --network.output_stride 16 --size 32 48
--data.options.train_scenes 8 --data.options.test_scenes 6 --steps 2 --batch-size 4 --workers 0 --device cpu"""
PAGES = ["report", "inspect"]


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


@pytest.mark.parametrize("name", PAGES)
def test_it_loads_from_disk_without_a_complaint_or_a_request(name: str, pages: dict[str, Path], browser: Any) -> None:
    browser.visit(pages[name].as_uri())
    addresses = browser.asked_for()
    assert addresses[0] == pages[name].as_uri()
    assert all(address.startswith("data:") for address in addresses[1:])
    assert browser.complaints() == []
    broken = "return [...document.images].filter(one => !(one.complete && one.naturalWidth)).length"
    assert browser.script("return document.images.length") > 1
    assert browser.script(broken) == 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1200, 400])
def test_it_is_no_wider_than_its_window(name: str, width: int, pages: dict[str, Path], browser: Any) -> None:
    browser.visit(pages[name].as_uri(), width)
    assert browser.script("return innerWidth") == width
    assert browser.overflow() <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_wider_than_a_phone_shows_that_it_scrolls(scheme: str, pages: dict[str, Path], browser: Any) -> None:
    browser.visit(pages["report"].as_uri(), 390, scheme, touch=True)
    table = browser.one(".wide")
    beyond = browser.script("return arguments[0].scrollWidth - arguments[0].clientWidth", table)
    assert beyond > 20

    def shades() -> tuple[int, int]:
        """How far the left and the right edge are from the page's colour, in levels."""
        picture = np.asarray(Image.open(BytesIO(table.screenshot_as_png)).convert("L"), np.int64)
        page = {"light": 255, "dark": 24}[scheme]
        left, right = (int(np.median(np.abs(edge - page))) for edge in (picture[:, 1], picture[:, -2]))
        return left, right

    left, right = shades()
    assert (left < 5, right > 40) == (True, True)
    browser.script("arguments[0].scrollLeft = 1e6", table)
    left, right = shades()
    assert (left > 40, right < 5) == (True, True)


@pytest.mark.parametrize("name", PAGES)
def test_its_words_can_be_read_in_light_and_dark(name: str, pages: dict[str, Path], browser: Any) -> None:
    backgrounds = []
    for scheme in ("light", "dark"):
        browser.visit(pages[name].as_uri(), scheme=scheme)
        found = browser.contrasts()
        assert {"Who takes what", "segmentation"} <= found.keys()
        assert {words: ratio for words, ratio in found.items() if ratio < 4.5} == {}
        backgrounds.append(browser.script("return getComputedStyle(document.body).backgroundColor"))
    assert backgrounds[0] != backgrounds[1]


def test_the_checks_find_what_they_look_for(tmp_path: Path, browser: Any) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><link rel=icon href=data:,><body style='background: #fff'><img src='http://127.0.0.1:9/x.png'>"
        "<p style='color: #999; width: 2000px'>pale</p><script>console.warn('a word')</script>"
    )
    browser.visit(page.as_uri())
    assert "http://127.0.0.1:9/x.png" in browser.asked_for()
    assert any("a word" in one for one in browser.complaints())
    assert browser.overflow() > 0
    assert [words for words, ratio in browser.contrasts().items() if ratio < 4.5] == ["pale"]


def strip(browser: Any) -> list[Any]:
    return browser.all("#strip button")


def current(browser: Any) -> list[int]:
    return [i for i, one in enumerate(strip(browser)) if one.get_attribute("aria-current") == "true"]


def heading(browser: Any) -> str:
    return str(browser.one("#stage h3").text)


def test_a_picture_is_chosen_by_a_click(pages: dict[str, Path], browser: Any) -> None:
    browser.visit(pages["report"].as_uri())
    assert current(browser) == [0]
    chosen = strip(browser)[2]
    chosen.click()
    assert current(browser) == [2]
    assert heading(browser) == chosen.get_attribute("title")
    captions = [one.text for one in browser.all("#stage figcaption")]
    assert captions == 2 * ["image", "truth", "single", "afa", "single: error", "afa: error"]


@pytest.mark.parametrize("method", ["afa", "cross_stitch"])
@pytest.mark.parametrize("task", ["segmentation", "depth"])
def test_pictures_are_sorted_by_what_a_task_gained(
    method: str, task: str, pages: dict[str, Path], browser: Any
) -> None:
    browser.visit(pages["report"].as_uri())
    images = json.loads(browser.one("#images").get_attribute("textContent"))
    gains = {one["id"]: one["gains"][method][task] for one in images if method in one["methods"]}
    Select(browser.one("#method")).select_by_visible_text(method)
    Select(browser.one("#task")).select_by_visible_text(task)
    for order, sign in (("where sharing helped most", -1), ("where it hurt most", 1)):
        Select(browser.one("#order")).select_by_visible_text(order)
        shown = [one.get_attribute("title") for one in strip(browser)]
        assert sorted(shown) == sorted(gains)
        worth = [math.inf if gains[name] is None else sign * gains[name] for name in shown]
        assert worth == sorted(worth)
        assert current(browser) == [0]
        assert heading(browser) == shown[0]


def test_the_gallery_works_without_a_mouse(pages: dict[str, Path], browser: Any) -> None:
    browser.visit(pages["report"].as_uri())
    focused = browser.driver.switch_to
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
        style = browser.script(
            "const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]"
        )
        assert style == ["solid", "3px"]
    focused.active_element.send_keys(Keys.TAB)
    assert focused.active_element not in strip(browser)  # one stop, however many pictures
    focused.active_element.send_keys(Keys.ARROW_RIGHT)
    assert current(browser) == [0]


def test_pictures_are_enlarged_and_stepped_through(pages: dict[str, Path], browser: Any) -> None:
    browser.visit(pages["report"].as_uri(), 1200)
    focused, small = browser.driver.switch_to, browser.all("#stage figure button")
    rows = browser.all("#stage .row")
    assert all(row.size["width"] > 1000 for row in rows)
    assert len({one.location["y"] for one in small[:6]}) == 1  # a row that fills the page
    small[1].click()
    large = browser.one("#large")
    name = browser.one("#stage h3").text
    assert large.find_element("css selector", "p").text == f"{name}, segmentation: truth"
    assert large.find_element("css selector", "img").size["width"] > 3 * small[1].size["width"]
    for key, said in ((Keys.ARROW_RIGHT, "single"), (Keys.END, "afa: error"), (Keys.HOME, "image")):
        focused.active_element.send_keys(key)
        assert large.find_element("css selector", "p").text.endswith(said)
    assert current(browser) == [0]
    focused.active_element.send_keys(Keys.ESCAPE)
    assert not large.is_displayed()
    assert focused.active_element == small[1]


def test_every_layer_at_which_tasks_meet_is_drawn(pages: dict[str, Path], browser: Any) -> None:
    browser.visit(pages["report"].as_uri())
    titles = [one.text for one in browser.all("h3")]
    assert [title.partition(":")[0] for title in titles if "test images" in title] == ["afa", "cross_stitch"]
    drawn = "return [...document.querySelectorAll('.flows')].map(one => one.querySelectorAll('svg').length)"
    [afa, _, stitch, _] = browser.script(drawn)  # flows and profiles of each
    rows = "return [...document.querySelectorAll('table.flow')].map(one => one.rows.length - 1)"
    assert browser.script(rows) == [2 * afa, 2 * stitch]
    browser.visit(pages["inspect"].as_uri())
    assert browser.script(drawn)[0] == afa
