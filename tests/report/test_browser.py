"""The pages that open from disk in a real browser: what loads, what moves, what can be read.

Skipped where there is no Chromium with its driver; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
from selenium.webdriver.common.keys import Keys

Pages = Callable[[str], Path]
PAGES = {  # what is read on each
    "report": {"Who takes what", "segmentation"},
    "run": {"Did sharing help?", "left"},
    "inspect": {"Who takes what", "segmentation"},
    "check": {"1 error, 1 warning.", "Splits", "segmentation"},
    "sweep": {"Trials", "optimizer.lr"},
}


@pytest.mark.parametrize("name", PAGES)
def test_it_loads_from_disk_without_a_complaint_or_a_request(name: str, pages: Pages, browser: Any) -> None:
    browser.visit(pages(name).as_uri())
    addresses = browser.asked_for()
    assert addresses[0] == pages(name).as_uri()
    assert all(address.startswith("data:") for address in addresses[1:])
    assert browser.complaints() == []
    broken = "return [...document.images].filter(one => !(one.complete && one.naturalWidth)).length"
    assert (browser.script("return document.images.length") > 1) == (name != "sweep")
    assert browser.script(broken) == 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1200, 400])
def test_it_is_no_wider_than_its_window(name: str, width: int, pages: Pages, browser: Any) -> None:
    browser.visit(pages(name).as_uri(), width)
    assert browser.script("return innerWidth") == width
    assert browser.overflow() <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_table_wider_than_a_phone_shows_that_it_scrolls(scheme: str, pages: Pages, browser: Any) -> None:
    browser.visit(pages("report").as_uri(), 390, scheme, touch=True)
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
def test_tables_are_scrolled_with_the_keyboard(name: str, pages: Pages, browser: Any) -> None:
    browser.visit(pages(name).as_uri(), 320)
    beyond = "const one = arguments[0]; return one.scrollWidth - one.clientWidth"
    wide = [table for table in browser.all(".wide") if table.is_displayed() and browser.script(beyond, table) > 9]
    assert wide
    assert all(table.get_attribute("aria-label") for table in wide)
    wide[0].send_keys(Keys.ARROW_RIGHT)
    browser.wait(lambda: browser.script("return arguments[0].scrollLeft", wide[0]) > 0)


@pytest.mark.parametrize("name", ["report", "run", "inspect"])
def test_what_is_folded_opens_by_mouse_and_keyboard(name: str, pages: Pages, browser: Any) -> None:
    browser.visit(pages(name).as_uri())
    found = browser.all("details")
    assert found
    for one in found:
        summary = one.find_element("css selector", "summary")
        content = one.find_element("css selector", "summary + *")
        assert not content.is_displayed()
        summary.click()
        assert content.is_displayed()
        summary.send_keys(Keys.SPACE)
        assert not content.is_displayed()


@pytest.mark.parametrize("name", PAGES)
def test_its_words_can_be_read_in_light_and_dark(name: str, pages: Pages, browser: Any) -> None:
    backgrounds = []
    for scheme in ("light", "dark"):
        browser.visit(pages(name).as_uri(), scheme=scheme)
        found = browser.contrasts()
        assert PAGES[name] <= found.keys()
        assert {words: ratio for words, ratio in found.items() if ratio < 4.5} == {}
        backgrounds.append(browser.script("return getComputedStyle(document.body).backgroundColor"))
    assert backgrounds[0] != backgrounds[1]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
def test_axe_finds_no_fault(
    name: str, scheme: str, width: int, pages: Pages, browser: Any, faults: Callable[[], list[str]]
) -> None:
    browser.visit(pages(name).as_uri(), width, scheme)
    browser.script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert faults() == []
    if enlarge := browser.all("#stage figure button"):
        enlarge[0].click()
        assert faults() == []


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


def test_axe_finds_what_is_wrong(tmp_path: Path, browser: Any, faults: Callable[[], list[str]]) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><link rel=icon href=data:,><title>bad</title><main><h1>bad</h1><img src=data:,></main>"
    )
    browser.visit(page.as_uri())
    assert faults() == ["serious: html-has-lang at html", "critical: image-alt at img"]


def test_every_layer_at_which_tasks_meet_is_drawn(pages: Pages, browser: Any) -> None:
    browser.visit(pages("report").as_uri())
    titles = [one.text for one in browser.all("h3")]
    assert [title.partition(":")[0] for title in titles if "test images" in title] == ["afa", "cross_stitch"]
    drawn = "return [...document.querySelectorAll('.flows')].map(one => one.querySelectorAll('svg').length)"
    [afa, _, stitch, _] = browser.script(drawn)  # flows and profiles of each
    rows = "return [...document.querySelectorAll('table.flow')].map(one => one.rows.length - 1)"
    assert browser.script(rows) == [2 * afa, 2 * stitch]
    browser.visit(pages("inspect").as_uri())
    assert browser.script(drawn)[0] == afa
