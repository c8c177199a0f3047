"""The theme's script knows two addresses from which it would load what this site has no use for: they are taken out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


def on_post_build(config: Any, **_: Any) -> None:
    """Leave no address in the built scripts from which anything could be loaded."""
    for script in Path(config.site_dir).rglob("*.js"):
        text = script.read_text(encoding="utf-8")
        script.write_text(
            re.sub(r"https://(unpkg\.com|api\.github\.com)[\w./@-]*", "about:blank", text), encoding="utf-8"
        )
