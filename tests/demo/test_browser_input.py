"""What comes into the page: files that are chosen, dropped and pasted, of every shape and kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("selenium.webdriver", reason="selenium is missing: pip install 'afanet[dev]'")
from selenium.webdriver.common.keys import Keys

PASTE = """
const sent = new DataTransfer();
if (arguments[0]) sent.items.add(new File([Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0))], "x.png"));
document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: sent, bubbles: true}));
"""
BOXES = (
    "return [...document.querySelectorAll('.view')].map(v => v.getBoundingClientRect()).map(r => [r.width, r.height])"
)


def drop(page: Any, *files: Path, words: str = "") -> None:
    items = [{"mimeType": "text/plain", "data": words}] if words else []
    data = {"items": items, "files": [str(file) for file in files], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver"):
        page.browser.command("Input.dispatchDragEvent", type=kind, x=600, y=700, data=data)
    assert page.browser.script("return document.body.className") == "dropping"
    page.browser.command("Input.dispatchDragEvent", type="drop", x=600, y=700, data=data)
    page.browser.wait(lambda: page.browser.script("return document.body.className") == "")


def test_a_photo_can_be_dropped_anywhere(page: Any, picture: Path) -> None:
    page.open()
    drop(page, picture)
    page.done()
    drop(page, picture, picture)
    page.done("Those are 2 files: one at a time.")
    drop(page, words="a word")
    page.done("That is no file: save it first.")


def test_a_photo_can_be_pasted(page: Any, picture: Path) -> None:
    import base64

    page.open()
    page.browser.script(PASTE, base64.b64encode(picture.read_bytes()).decode())
    page.done()
    assert len(page.browser.all(".view")) == 3
    page.browser.script(PASTE, "")
    page.done("That is no file: save it first.")


def test_a_hostile_file_gets_a_sentence_and_the_next_photo_an_answer(
    page: Any, picture: Path, tmp_path: Path, photo: np.ndarray, as_file: Callable[..., bytes]
) -> None:
    page.open()
    for name, content, words in (
        ("page.png", b"<script>alert(1)</script>", "not a picture that can be read, expected one of: JPEG, PNG, WEBP"),
        ("none.jpg", b"", "the file is empty"),
        (
            "pages.tif",
            as_file(photo, "TIFF", save_all=True, append_images=[Image.fromarray(255 - photo)]),
            "several pages",
        ),
        ("large.jpg", bytes(21 * 2**20), "more than 20 MiB"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        page.browser.one("#file").send_keys(str(file))
        page.done(words)
        assert not page.browser.one("#answer").is_displayed()
        assert page.browser.contrast("#status", "color") >= 4.5
        page.choose(picture)
        assert page.browser.one("#answer").is_displayed()


@pytest.mark.parametrize(
    ("width", "height", "shown"), [(70, 50, 1.4), (40, 60, 2 / 3), (1, 1, 1), (900, 3, 4), (3, 900, 1 / 3)]
)
def test_predictions_have_the_photo_s_proportions_and_fit_the_window(
    width: int, height: int, shown: float, page: Any, tmp_path: Path, as_file: Callable[..., bytes]
) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(as_file(np.full((height, width, 3), 99, np.uint8)))
    page.open(width=390)
    page.choose(file)
    for across, down in page.browser.script(BOXES):
        assert across / down == pytest.approx(shown, rel=0.01)
        assert down <= 0.85 * 900 + 1
    assert page.browser.overflow() <= 0


def test_a_photo_that_lies_on_its_side_is_shown_as_it_is_predicted(
    page: Any, tmp_path: Path, photo: np.ndarray, as_file: Callable[..., bytes]
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter to the right
    file = tmp_path / "photo.jpg"
    file.write_bytes(as_file(photo, "JPEG", exif=turned))
    page.open()
    page.choose(file)
    natural = "const one = document.querySelector('.view img'); return [one.naturalWidth, one.naturalHeight]"
    assert page.browser.script(natural) == [50, 70]
    for across, down in page.browser.script(BOXES):
        assert across / down == pytest.approx(50 / 70, rel=0.01)


def test_the_camera_gives_a_photo(page: Any) -> None:
    page.open()
    camera = page.browser.one("#camera")
    assert camera.is_displayed()
    camera.click()
    page.browser.wait(lambda: page.browser.script("return video.videoWidth > 0"))
    page.browser.one("#shoot").click()
    page.done()
    assert not page.browser.one("#viewfinder").is_displayed()
    assert len(page.browser.all(".predicted")) == 2
    assert page.browser.script("return video.srcObject") is None  # the camera is off


@pytest.mark.parametrize("way", ["button", "Escape"])
def test_a_camera_that_is_left_gives_none(way: str, page: Any) -> None:
    page.open()
    page.browser.one("#camera").click()
    page.browser.wait(lambda: page.browser.script("return video.videoWidth > 0"))
    if way == "button":
        page.browser.one("#leave").click()
    else:
        page.browser.one("#shoot").send_keys(Keys.ESCAPE)
    page.browser.wait(lambda: not page.browser.one("#viewfinder").is_displayed())
    assert page.browser.script("return video.srcObject") is None
    assert page.text("status") == "Choose a photo or a sample."


def test_a_camera_that_the_browser_refuses_gets_a_sentence(page: Any) -> None:
    page.open()
    page.browser.script("navigator.mediaDevices.getUserMedia = () => Promise.reject(new Error())")
    page.browser.one("#camera").click()
    page.done("The browser gives no camera.")
    assert not page.browser.one("#viewfinder").is_displayed()


def test_without_a_camera_there_is_no_button_for_it(page: Any) -> None:
    source = "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})"
    script = page.browser.command("Page.addScriptToEvaluateOnNewDocument", source=source)
    page.open()
    assert not page.browser.one("#camera").is_displayed()
    page.browser.command("Page.removeScriptToEvaluateOnNewDocument", **script)


def test_the_frame_goes_when_a_file_is_dragged_out_of_the_window(page: Any) -> None:
    page.open()
    send = "document.body.dispatchEvent(new DragEvent(arguments[0], {bubbles: true, relatedTarget: arguments[1]}))"
    inside = page.browser.one("#choose")
    for kind, to, state in (("dragover", None, "dropping"), ("dragleave", inside, "dropping"), ("dragleave", None, "")):
        page.browser.script(send, kind, to)
        assert page.browser.script("return document.body.className") == state


def test_a_server_that_is_gone_is_named(page: Any, picture: Path) -> None:
    page.open()
    page.choose(picture)
    page.browser.script("window.fetch = () => Promise.reject(new TypeError())")
    page.browser.one("#tasks input").click()
    page.done("The page's server gives no answer")
    assert not page.browser.one("#answer").is_displayed()
