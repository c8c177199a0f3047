"""The page in a real browser, as a person uses it: with a mouse, a finger, the keyboard or a screen reader.

Skipped where there is no Chromium with its driver; nothing is downloaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afanet.demo import Exhibit
from afanet.inspection.connections import as_input

pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

READ = re.compile(r"segmentation: [\w -]+ · depth: \d+\.\d\d m")


def predicted(exhibit: Exhibit, photo: np.ndarray, x: float, y: float) -> str:
    """What the page should read out at a place of the picture, 0 to 1 across and down."""
    run, legends = exhibit.run.recipe.data.size, exhibit.about()["tasks"]
    row, column = int(y * run[0]), int(x * run[1])
    found = exhibit.predictor.predict(as_input(photo, run, normalisation=exhibit.normalisation)[None])
    name = legends[0]["legend"]["names"][found["segmentation"][0, row, column]]
    return f"segmentation: {name} · depth: {found['depth'][0, 0, row, column]:.2f} m"


def test_a_task_that_is_switched_off_is_not_asked_for(page: Any, picture: Path) -> None:
    page.open()
    page.choose(picture)
    segmentation, depth = page.browser.all("#tasks input")
    segmentation.click()
    page.browser.wait(lambda: [one.text for one in page.browser.all("#views h2")] == ["photo", "depth"])
    assert any(url.endswith("&tasks=depth") for url in page.browser.asked_for())
    assert depth.get_attribute("disabled")  # one task stays
    page.browser.one(".view").send_keys(Keys.ARROW_RIGHT)
    assert re.fullmatch(r"depth: \d+\.\d\d m", page.text("cursor"))
    segmentation.send_keys(Keys.SPACE)
    page.browser.wait(lambda: len(page.browser.all("#views h2")) == 3)
    assert not depth.get_attribute("disabled")


@pytest.mark.parametrize("width", [1200, 390])
def test_a_photo_is_chosen_and_everything_answers(width: int, page: Any, picture: Path) -> None:
    page.open(width=width)
    page.choose(picture)
    assert [one.text for one in page.browser.all("#views h2")] == ["photo", "segmentation", "depth"]
    assert page.browser.overflow() <= 0
    assert [one.text for one in page.browser.all(".shares")] == 2 * [page.browser.all(".shares")[0].text]
    assert re.fullmatch(
        r"At meeting 4 of 4, the last, 2x3 pixels: \d+\.\d % segmentation, \d+\.\d % depth.",
        page.browser.all(".shares")[0].text,
    )

    assert not page.browser.all(".taken")
    page.browser.one("#overlay").send_keys(Keys.SPACE)
    drawn = "return [...document.querySelectorAll('.view .taken')].map(one => one.naturalWidth > 0)"
    page.browser.wait(lambda: page.browser.script(drawn) == [True, True])
    assert page.browser.one("#shared").is_displayed()  # AFA's gates are those of all tasks
    opacity = "return getComputedStyle(document.querySelector('.taken')).opacity"
    assert page.browser.script(opacity) == "0.6"
    page.browser.one("#blend").send_keys(Keys.END)
    assert page.browser.script(opacity) == "1"
    first = page.browser.one(".taken").get_attribute("src")
    Select(page.browser.one("#layer")).select_by_index(0)
    assert page.browser.one(".taken").get_attribute("src") != first
    assert not page.text("alike")


def test_a_cut_shows_what_it_changes_and_nothing_once_it_is_undone(
    page: Any, picture: Path, exhibit: Exhibit, photo: np.ndarray
) -> None:
    page.open()
    page.choose(picture)
    whole = page.pictures()
    assert page.text("cuts") == "not cut"
    Select(page.browser.one("#connection")).select_by_visible_text("what depth takes from segmentation")
    page.browser.one("#cut").send_keys(Keys.END)
    page.browser.wait(lambda: "With the cut" in page.text("views"))
    assert page.text("cuts") == f"cut at {'; '.join(exhibit.places)}"
    cut = exhibit.answer(photo, to=1, source=0, layers=len(exhibit.layers))
    assert page.pictures() == [task["picture"] for task in cut["tasks"]] != whole
    assert page.pictures(".before") == whole
    before, after = page.browser.all(".pair .view")[:2]
    assert (before.location["y"], before.size) == (after.location["y"], after.size)  # side by side
    page.browser.one("#cut").send_keys(Keys.HOME)
    page.browser.wait(lambda: "With the cut" not in page.text("views"))
    assert page.pictures() == whole
    assert page.text("cuts") == "not cut"


def test_another_connection_is_cut_as_soon_as_it_is_chosen(
    page: Any, exhibit: Exhibit, photo: np.ndarray, picture: Path
) -> None:
    page.open()
    page.choose(picture)
    page.browser.one("#cut").send_keys(Keys.ARROW_RIGHT)
    page.browser.wait(lambda: page.pictures(".before"))
    Select(page.browser.one("#connection")).select_by_visible_text("what depth takes from segmentation")
    cut = exhibit.answer(photo, to=1, source=0, layers=1)
    page.browser.wait(lambda: page.pictures() == [task["picture"] for task in cut["tasks"]])


def test_each_layer_has_its_shares(page: Any, exhibit: Exhibit, picture: Path) -> None:
    page.open()
    page.choose(picture)
    for number, place in enumerate(exhibit.places):
        Select(page.browser.one("#layer")).select_by_index(number)
        for shares in page.browser.all(".shares"):
            told = re.fullmatch(rf"At {re.escape(place)}: (.*) % segmentation, (.*) % depth\.", shares.text)
            assert told
            assert sum(map(float, told.groups())) == pytest.approx(100, abs=0.11)


def test_the_mouse_reads_what_was_predicted_there(
    page: Any, picture: Path, exhibit: Exhibit, photo: np.ndarray
) -> None:
    page.open()
    page.choose(picture)
    height, width = exhibit.run.recipe.data.size
    for view, (row, column) in zip(page.browser.all(".view"), [(6, 4), (28, 23), (9, 44)], strict=True):
        x, y = (column + 0.5) / width, (row + 0.5) / height  # a pixel's middle: an edge goes to either side
        ActionChains(page.browser.driver, duration=0).move_to_element_with_offset(
            view, round((x - 0.5) * view.size["width"]), round((y - 0.5) * view.size["height"])
        ).perform()
        assert page.text("cursor") == predicted(exhibit, photo, x, y)
        assert len(page.browser.all(".point")) == 3


def test_a_finger_reads_along_a_line_and_still_scrolls(page: Any, picture: Path) -> None:
    def touch(kind: str, *points: tuple[float, float]) -> None:
        page.browser.command(
            "Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": round(x), "y": round(y)} for x, y in points]
        )

    page.open(width=390, touch=True)
    page.choose(picture)
    page.browser.script("document.querySelector('.view').scrollIntoView({block: 'center'})")
    box = "const r = document.querySelectorAll('.view')[arguments[0]].getBoundingClientRect();"
    box += "return [r.left, r.top, r.width]"
    left, top, width = page.browser.script(box, 0)
    touch("touchStart", (left + 20, top + 20))
    touch("touchEnd")
    page.browser.wait(lambda: READ.fullmatch(page.text("cursor")))
    assert page.browser.script(box, 0) == [left, top, width]  # the words that change move nothing

    page.browser.script("document.querySelectorAll('.view')[1].scrollIntoView({block: 'center'})")
    left, top, width = page.browser.script(box, 1)
    touch("touchStart", (left + 20, top + 50))
    for step in range(1, 21):
        touch("touchMove", (left + 20 + step * (width - 40) / 20, top + 50))
    touch("touchEnd")
    page.browser.wait(lambda: page.browser.script("return at[0]") == pytest.approx((width - 20) / width, abs=0.01))
    assert page.browser.script(box, 1) == [left, top, width]
    read_out = page.browser.script("const r = cursor.getBoundingClientRect(); return [r.top, r.bottom]")
    assert 0 <= read_out[0] < read_out[1] <= 900  # it stays in view however far down the picture is
    before = page.browser.script("return scrollY")
    touch("touchStart", (left + 100, top + 50))
    for step in range(1, 21):
        touch("touchMove", (left + 100, top + 50 + 8 * step))
    touch("touchEnd")
    page.browser.wait(lambda: page.browser.script("return scrollY") < before)


def test_everything_is_reached_and_read_with_the_keyboard(
    page: Any, picture: Path, exhibit: Exhibit, photo: np.ndarray
) -> None:
    """Tab goes from the top to the bottom, what has the focus is outlined and in view, arrow keys move the point."""
    focus = """
        const one = document.activeElement, drawn = one.id === "file" ? one.parentElement : one;
        const style = getComputedStyle(drawn), box = drawn.getBoundingClientRect();
        const name = one.id || one.parentElement.id || one.parentElement.tagName;
        return [name, `${style.outlineStyle} ${style.outlineWidth}`, box.top >= 0 && box.bottom <= innerHeight];"""
    page.open()
    page.choose(picture)
    page.browser.script("document.activeElement.blur()")
    reached = []
    for _ in range(17):
        ActionChains(page.browser.driver).send_keys(Keys.TAB).perform()
        name, outline, seen = page.browser.script(focus)
        assert (outline, seen) == ("solid 3px", True)
        reached.append(name)
    assert reached == [
        "file",
        "camera",
        *6 * ["samples"],
        *2 * ["LABEL"],
        "overlay",
        "layer",
        "connection",
        "cut",
        *3 * ["FIGURE"],
    ]
    for key, place in {
        Keys.ARROW_RIGHT: (0.52, 0.5),
        Keys.ARROW_DOWN: (0.52, 0.52),
        Keys.ARROW_LEFT: (0.5, 0.52),
        Keys.ARROW_UP: (0.5, 0.5),
    }.items():
        ActionChains(page.browser.driver).send_keys(key).perform()
        assert page.browser.script("return at") == pytest.approx(place)
        assert page.text("cursor") == predicted(exhibit, photo, *place)
    ActionChains(page.browser.driver).send_keys(60 * Keys.ARROW_RIGHT).perform()
    assert page.text("cursor") == predicted(exhibit, photo, 0.9999, 0.5)  # and stops at the edge
