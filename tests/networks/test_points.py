"""The ways in which points can be given all come to a list a branch."""

from __future__ import annotations

import pytest

from afanet import InputError, Layout, Point
from afanet.networks.points import points_by_task

TOKENS = Point("b", Layout("BNC", grid=(2, 2)))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ([], {"x": [], "y": []}),
        ("a", {"x": [Point("a")], "y": [Point("a")]}),
        (("a", TOKENS), {"x": [Point("a"), TOKENS], "y": [Point("a"), TOKENS]}),
        ([["a"], [TOKENS]], {"x": [Point("a")], "y": [TOKENS]}),
        ({"y": ["a"], "x": [TOKENS]}, {"x": [TOKENS], "y": [Point("a")]}),
    ],
)
def test_points_by_task(at: object, expected: dict[str, list[Point]]) -> None:
    assert points_by_task(["x", "y"], at) == expected


@pytest.mark.parametrize("at", [3, None, [3], [["a"], ["a", "b"]], {"x": ["a"]}, [["a"]], {"x": "a", "y": ["a"]}])
def test_what_cannot_be_points_is_refused(at: object) -> None:
    with pytest.raises(InputError, match=r"`at`|different numbers of layers"):
        points_by_task(["x", "y"], at)
