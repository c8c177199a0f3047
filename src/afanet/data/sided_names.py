"""Names that mean a side, such as `left_eye`: a mirror image would make them wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

PAIRS = (
    ("left", "right"),
    ("l", "r"),
    ("east", "west"),
    ("northeast", "northwest"),
    ("southeast", "southwest"),
    ("eastbound", "westbound"),
    ("port", "starboard"),
    ("clockwise", "anticlockwise"),
    ("clockwise", "counterclockwise"),
    ("cw", "ccw"),
)
AMBIGUOUS = {"l", "r", "port"}  # these mean a side only if the opposite name exists too
ENDINGS = "|".join(("hand", "handed", "side", "sided", "most", "ward", "wards", "turn", "lane"))
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")
COMPOUND = re.compile(rf"(left|right)({ENDINGS})")


def side_of(name: str) -> str | None:
    """The word in a name that means a side by itself; None if there is none.

    >>> side_of("LeftEye"), side_of("bright"), side_of("turn-rightmost"), side_of("arm_l")
    ('left', None, 'right', None)
    """
    sided = {word for pair in PAIRS for word in pair} - AMBIGUOUS
    return next((word for word in _words(name) if word in sided), None)


def pair_names(names: Sequence[str]) -> dict[str, str]:
    """The names that differ only in their side, each pair once.

    >>> pair_names(["arm_l", "arm_r", "LeftEye", "RightEye", "port", "tail"])
    {'arm_l': 'arm_r', 'LeftEye': 'RightEye'}
    """
    by_words = {tuple(_words(name)): name for name in names}
    pairs: dict[str, str] = {}
    for name in names:
        if name in pairs.values():
            continue
        for opposite in _opposites(_words(name)):
            other = by_words.get(opposite)
            if other is not None and other != name and other not in (*pairs, *pairs.values()):
                pairs[name] = other
                break
    return pairs


def unpaired_names(names: Iterable[str], paired: Iterable[str] = ()) -> list[str]:
    """The names that mean a side and are not among the `paired` ones."""
    known = set(paired)
    return [name for name in names if name not in known and side_of(name)]


def _words(name: str) -> list[str]:
    words: list[str] = []
    for word in (word.lower() for word in WORD.findall(name)):
        compound = COMPOUND.fullmatch(word)
        words += compound.groups() if compound else [word]
    return words


def _opposites(words: Sequence[str]) -> Iterable[tuple[str, ...]]:
    """The words with every side replaced by its opposite."""
    for pair in PAIRS:
        turned = {pair[0]: pair[1], pair[1]: pair[0]}
        if any(word in turned for word in words):
            yield tuple(turned.get(word, word) for word in words)
