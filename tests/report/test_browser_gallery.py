"""The held-out images of a report in a real browser: chosen, sorted, enlarged, with a mouse and with the keyboard."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

Pages = Callable[[str], Path]


def strip(browser: Any) -> list[Any]:
    return browser.all("#strip button")


def current(browser: Any) -> list[int]:
    return [i for i, one in enumerate(strip(browser)) if one.get_attribute("aria-current") == "true"]


def heading(browser: Any) -> str:
    return str(browser.one("#stage h3").text)


def test_a_picture_is_chosen_by_a_click(pages: Pages, browser: Any) -> None:
    browser.visit(pages("report").as_uri())
    assert current(browser) == [0]
    chosen = strip(browser)[2]
    chosen.click()
    assert current(browser) == [2]
    assert heading(browser) == chosen.get_attribute("title")
    captions = [one.text for one in browser.all("#stage figcaption")]
    assert captions == 2 * ["image", "truth", "single", "afa", "single: error", "afa: error"]


@pytest.mark.parametrize("method", ["afa", "cross_stitch"])
@pytest.mark.parametrize("task", ["segmentation", "depth"])
def test_pictures_are_sorted_by_what_a_task_gained(method: str, task: str, pages: Pages, browser: Any) -> None:
    browser.visit(pages("report").as_uri())
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


def test_the_gallery_works_without_a_mouse(pages: Pages, browser: Any) -> None:
    browser.visit(pages("report").as_uri())
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


def test_pictures_are_enlarged_and_stepped_through(pages: Pages, browser: Any) -> None:
    browser.visit(pages("report").as_uri(), 1200)
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


def test_a_click_closes_the_enlarged_picture(pages: Pages, browser: Any) -> None:
    browser.visit(pages("report").as_uri())
    small = browser.all("#stage figure button")[2]
    small.send_keys(Keys.ENTER)
    assert browser.one("#large").is_displayed()
    browser.one("#large img").click()
    assert not browser.one("#large").is_displayed()
    assert browser.driver.switch_to.active_element == small


def test_the_legend_has_the_range_of_the_image_that_is_shown(pages: Pages, browser: Any) -> None:
    browser.visit(pages("report").as_uri())
    ends = {
        one["id"]: one["tasks"]["depth"]["ends"]
        for one in json.loads(browser.one("#images").get_attribute("textContent"))
    }
    assert len({tuple(pair) for pair in ends.values()}) > 1
    for button in strip(browser):
        button.click()
        assert [one.text for one in browser.all("[data-ends=depth] b")] == ends[heading(browser)]


def test_answers_for_the_whole_image_are_words_beside_it(pages: Pages, browser: Any) -> None:
    browser.visit(pages("run").as_uri())
    images = {one["id"]: one for one in json.loads(browser.one("#images").get_attribute("textContent"))}
    for button in strip(browser)[:3]:
        button.click()
        tasks = images[heading(browser)]["tasks"]
        assert [one.text for one in browser.all(".said h4")] == list(tasks)
        lines = [f"{key}: {words}" for task in tasks.values() for key, words in task["words"].items()]
        assert [one.text for one in browser.all(".said div div")] == lines
    assert [one.is_displayed() for one in browser.all(".controls select")] == [True, False, False]  # nothing to sort by
