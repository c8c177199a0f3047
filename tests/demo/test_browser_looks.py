"""What the page shows of each kind of run, and whether everybody can read it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
from selenium.webdriver.common.keys import Keys

NAMED = {"button", "checkbox", "combobox", "slider", "application", "image", "group", "region", "option"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_controls_stand_out(scheme: str, page: Any) -> None:
    page.open(scheme=scheme)
    page.pick(2)
    page.browser.one("#cut").send_keys(Keys.ARROW_RIGHT)
    page.browser.wait(lambda: "With the cut" in page.text("views"))
    found = page.browser.contrasts()
    assert {"Choose a photo", "Done.", "depth", "wall", "0 m 10 m"} <= found.keys()
    assert {words: ratio for words, ratio in found.items() if ratio < 4.5} == {}
    for selector, colour, behind in (
        (".button", "backgroundColor", "body"),
        ("#samples button", "borderTopColor", "body"),
        ("#cut", "outlineColor", "body"),
        ("#cut", "outlineColor", ".controls"),
        ("#cut", "accentColor", ".controls"),
    ):
        assert page.browser.contrast(selector, colour, behind) >= 3


def test_the_schemes_differ(page: Any) -> None:
    page.open(scheme="light")
    light = page.browser.contrast("body", "backgroundColor", ".button")
    page.open(scheme="dark")
    assert page.browser.contrast("body", "backgroundColor", ".button") != light


def test_everything_has_a_name_that_a_screen_reader_says(page: Any, picture: Path) -> None:
    page.open()
    page.choose(picture)
    page.browser.one("#overlay").click()
    nodes = page.browser.command("Accessibility.getFullAXTree")["nodes"]
    said = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    assert {role for role, _ in said} >= NAMED - {"group"}
    assert [role for role, name in said if role in NAMED and not name.strip()] == []
    assert page.browser.script("return document.documentElement.lang") == "en"
    live = "return [...document.querySelectorAll('[aria-live], [role=status], output')].map(one => one.id)"
    assert page.browser.script(live) == ["status", "cuts", "cursor"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("run", ["afa", "digits"])
def test_axe_finds_no_fault(run: str, width: int, scheme: str, page: Any, faults: Callable[[], list[str]]) -> None:
    page.open(run, width=width, scheme=scheme)
    assert faults() == []
    page.pick(2)
    page.browser.one("#overlay").click()
    page.browser.one("#cut").send_keys(Keys.END)
    page.browser.wait(lambda: "the cut" in page.text("views"))
    assert faults() == []
    page.browser.one("#camera").click()
    page.browser.wait(lambda: page.browser.one("#viewfinder").is_displayed())
    assert faults() == []


def test_samples_have_their_place_before_they_are_there(page: Any) -> None:
    boxes = """
        const found = [...document.querySelectorAll("#samples button")].map(one => one.getBoundingClientRect());
        return found.map(box => [box.left, box.top, box.width, box.height]);"""
    page.open()
    page.browser.wait(lambda: page.browser.script("return [...document.images].every(one => one.naturalWidth)"))
    loaded = page.browser.script(boxes)
    page.browser.command("Network.enable")
    page.browser.command("Network.setBlockedURLs", urls=["*/sample/*"])
    page.open()
    missing = page.browser.script(boxes)
    page.browser.command("Network.setBlockedURLs", urls=[])
    page.open()
    assert len(loaded) == 6
    assert missing == loaded


@pytest.mark.parametrize("width", [1200, 390])
def test_tasks_for_the_whole_image_are_words_and_bars(width: int, page: Any) -> None:
    page.open("digits", width=width)
    page.pick(1)
    assert [one.text for one in page.browser.all("#views h2")] == ["photo", "left", "right"]
    for said, shares in zip(page.browser.all(".words"), page.browser.all(".bars"), strict=True):
        names, percents = shares.text.split("\n")[::2], shares.text.split("\n")[1::2]
        assert said.text == names[0]
        assert len(names) == len(percents) == 5
        assert percents == sorted(percents, key=lambda one: -float(one.removesuffix(" %")))
    assert not page.browser.one("#cursor").is_displayed()  # there is nothing to read at a point
    assert page.browser.all(".view[tabindex]") == []
    page.browser.one("#overlay").click()
    assert len(page.browser.all("figure > .taken")) == 2
    assert page.browser.overflow() <= 0


def test_a_cut_says_which_answer_came_before(page: Any) -> None:
    page.open("digits")
    page.pick(0)
    said = [one.text for one in page.browser.all(".words")]
    page.browser.one("#cut").send_keys(Keys.END)
    page.browser.wait(lambda: "Before the cut" in page.text("views"))
    assert f"Before the cut: {said[0]}." in page.text("views")


def test_layers_that_weigh_all_pixels_alike_say_so_and_can_be_cut(page: Any) -> None:
    page.open("cross_stitch")
    page.pick(0)
    assert "no map of where" in page.text("alike")
    assert not page.browser.one("#switch").is_displayed()
    told = re.fullmatch(
        r"At meeting 4 of 4, the last, 2x3 pixels: (.*) % segmentation, (.*) % depth\.",
        page.browser.all(".shares")[0].text,
    )
    assert told
    own, taken = map(float, told.groups())
    assert own + taken == pytest.approx(100, abs=0.11)
    assert own > taken > 0
    page.browser.one("#cut").send_keys(Keys.END)
    page.browser.wait(lambda: "With the cut" in page.text("views"))


def test_a_run_whose_tasks_meet_nowhere_says_so(page: Any) -> None:
    page.open("single")
    page.pick(0)
    assert page.text("about").endswith("It has no layer at which tasks take from each other.")
    assert not page.browser.one("#borrowing").is_displayed()
    assert len(page.browser.all(".predicted")) == 2
