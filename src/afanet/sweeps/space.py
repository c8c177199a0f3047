"""The keys that a sweep searches, each with a range or choices, checked against the recipe's schema."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from afanet.comparison.groups import PROTOCOL
from afanet.errors import InputError, shown
from afanet.recipe.load import change_recipe
from afanet.recipe.schema import Recipe, recipe_fields
from afanet.recipe.variants import for_method
from afanet.runs.folder import leaves
from afanet.runs.siblings import NOT_METHOD
from afanet.yaml_file import parse_yaml

FORMS = "LOW:HIGH, log:LOW:HIGH or A,B,C"
LOG = "log:"
Space = dict[str, BaseDistribution]  # by the recipe's dotted key; choices are texts, read as YAML


def read_space(recipe: Recipe, texts: Sequence[str]) -> Space:
    """The space that the flags `--over KEY=SPEC` give, one for each key.

    A key that takes whole numbers gets a range of whole numbers. Choices are read as YAML.

    Args:
        recipe: the setting that the sweep starts from.
        texts: `KEY=LOW:HIGH`, uniform; `KEY=log:LOW:HIGH`, uniform in the logarithm; `KEY=A,B,C`.

    Raises:
        InputError: for a key that no recipe has, or that all trials share; for a text of another form, a reversed
            range, and a value that the key does not take.

    >>> from afanet.recipe.load import load_recipe
    >>> read_space(load_recipe("rooms"), ["optimizer.lr=log:1e-5:1e-2", "batch_size=2:8"])
    {'optimizer.lr': FloatDistribution(high=0.01, log=True, low=1e-05, step=None),
     'batch_size': IntDistribution(high=8, log=False, low=2, step=1)}
    """
    space: Space = {}
    for text in texts:
        key, equals, spec = text.partition("=")
        if not (key and equals and spec):
            raise InputError(f"--over is {shown(text)}, expected KEY=SPEC, where SPEC is {FORMS}")
        if key in space:
            raise InputError(f"--over names '{key}' twice: give it once")
        if key in (*PROTOCOL, *NOT_METHOD, "code") or key.startswith("data.options."):
            raise InputError(f"--over {text}: all trials of a sweep share {key}: give it as a separate flag")
        space[key] = _read(recipe, key, spec, text)
    if not space:
        raise InputError(f"a sweep needs --over KEY=SPEC, where SPEC is {FORMS}: such as optimizer.lr=log:1e-5:1e-2")
    return space


def _read(recipe: Recipe, key: str, spec: str, text: str) -> BaseDistribution:
    if "," in spec:
        choices = [choice.strip() for choice in spec.split(",")]
        if "" in choices or len(set(choices)) < len(choices):
            raise InputError(f"--over {text}: expected different choices with commas between them")
        for choice in choices:
            with_values(recipe, {key: choice}, f"--over {text}")
        return CategoricalDistribution(choices)
    log = spec.startswith(LOG)
    ends = spec.removeprefix(LOG).split(":")
    kinds = _kinds(key)
    if len(ends) != 2 or (kinds and not kinds & {int, float}):
        with_values(recipe, {key: spec}, f"--over {text}")  # an unknown key is reported first
        raise InputError(f"--over {text}: expected {FORMS if not kinds or kinds & {int, float} else 'choices A,B,C'}")
    whole = int in kinds if kinds else all(_is_whole(end) for end in ends)
    low, high = (_number(end, whole, text) for end in ends)
    for end in (low, high):
        with_values(recipe, {key: end}, f"--over {text}")
    if low >= high:
        raise InputError(f"--over {text}: the range goes from {low:g} to {high:g}, expected LOW below HIGH")
    if log and low <= 0:
        raise InputError(f"--over {text}: a logarithmic range starts at {low:g}, expected above 0")
    if whole:
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)


def _kinds(key: str) -> set[Any]:
    """The types that the schema gives a key; empty for a key of any type."""
    field = recipe_fields().get(key)
    if field is None:
        return set()
    kinds = get_args(field.annotation) or (field.annotation,)
    return {get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in kinds}


def _is_whole(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdecimal()


def _number(text: str, whole: bool, over: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (whole and not number.is_integer()):
        raise InputError(
            f"--over {over}: an end is {shown(text)}, expected {'a whole number' if whole else 'a number'}"
        )
    return int(number) if whole else number


def spell(distribution: BaseDistribution) -> str:
    """A range or choices, as a person writes them.

    >>> spell(FloatDistribution(1e-5, 0.01, log=True)), spell(CategoricalDistribution(["afa", "hard"]))
    ('log:1e-05:0.01', 'afa,hard')
    """
    if isinstance(distribution, CategoricalDistribution):
        return ",".join(map(str, distribution.choices))
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return f"{LOG if distribution.log else ''}{distribution.low}:{distribution.high}"


def with_values(recipe: Recipe, values: Mapping[str, Any], source: str) -> Recipe:
    """The recipe with values of a space by key, without the keys that its method does not use.

    Raises `InputError`, which names `source`, for a key or value that no recipe has.
    """
    read = {key: parse_yaml(value, source) if isinstance(value, str) else value for key, value in values.items()}
    method = read.get("network.method")
    return change_recipe(for_method(recipe, method) if isinstance(method, str) else recipe, read, source)


def own_values(recipe: Recipe, space: Space) -> dict[str, Any] | None:
    """The recipe's own values as values of the space; None if one is outside its range or choices."""
    values: dict[str, Any] = {}
    for key, distribution in space.items():
        if isinstance(distribution, CategoricalDistribution):
            same = [text for text in distribution.choices if with_values(recipe, {key: text}, "--over") == recipe]
            if not same:
                return None
            values[key] = same[0]
            continue
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        own = leaves(recipe.model_dump()).get(key)
        if not isinstance(own, int | float) or not distribution.low <= own <= distribution.high:
            return None
        values[key] = own
    return values
