"""The templates of the pages, and how they are filled."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader


def render(name: str, **values: Any) -> str:
    """The page from the template `name` of this package and `values`; text in the values is escaped.

    >>> drawn = {"words": [], "flows": [], "rows": [], "connections": 0, "cuts": 0}
    >>> "&lt;b&gt;" in render("inspect_page.html", title="<b>", note="", photos=[], section=drawn)
    True
    """
    loader = PackageLoader("afanet.report", package_path="")
    return (
        Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
        .get_template(name)
        .render(**values)
    )
