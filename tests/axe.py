"""What axe-core, the checker of accessibility, finds on the page that the browser shows.

It is an npm package, and nothing is downloaded here: get it by `npm pack axe-core`, unpack it, and name its file in
AFANET_AXE.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SECONDS = 120  # for one page on a busy machine
RUN = """
const say = arguments[0], line = (fault, node) => `${fault.impact}: ${fault.id} at ${node.target.join(" ")}`;
axe.run().then(found => say(found.violations.flatMap(fault => fault.nodes.map(node => line(fault, node)))));
"""


@pytest.fixture(scope="session")
def faults(browser: Any) -> Callable[[], list[str]]:
    """The faults of the page as it is now, a line for each rule and element."""
    if not (file := os.environ.get("AFANET_AXE")):
        pytest.skip("axe-core is missing: npm pack axe-core, unpack it, and set AFANET_AXE=package/axe.min.js")
    source = Path(file).read_text(encoding="utf-8")
    browser.driver.set_script_timeout(SECONDS)

    def find() -> list[str]:
        browser.script(source)
        found: list[str] = browser.driver.execute_async_script(RUN)
        return found

    return find
