"""A pipe in place of any file of a data set is named; nothing waits for what might come out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pipes import everything, pipes_refused


@pytest.mark.parametrize(
    ("name", "fixture", "kinds"),
    [
        ("nyuv2", "folders", 4),
        ("adience", "adience", 9),
        ("cityscapes", "cityscapes", 12),
        ("celeba", "celeba", 2),
        ("pets", "pets", 3),
    ],
)
def test_no_data_set_waits_for_a_pipe(name: str, fixture: str, kinds: int, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(fixture)
    assert pipes_refused(root, lambda: everything(name, root)) == kinds
