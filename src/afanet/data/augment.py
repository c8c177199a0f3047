"""Random changes of training images: the switches of a data set's option `augment`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from afanet.declared import Declared, declare

COLOUR = 0.2  # the largest change of brightness, contrast and saturation, unless a recipe gives another


def _amount(least: float) -> BeforeValidator:
    """Reads `true` as None, the usual amount, and `false` as `least`, which changes nothing."""
    return BeforeValidator(lambda value: (None if value else least) if isinstance(value, bool) else value)


class Augment(Declared):
    """The random changes of training images: a switch for each.

    `mirror`: mirror every second image left to right. `zoom`: the largest magnification, 1 for none, by default the
    data set's own limit. `crop`: whether the window of a zoom is anywhere in the image or in its middle. `colour`: the
    largest share by which brightness, contrast and saturation change, by default 0.2.
    """

    mirror: bool = True
    zoom: Annotated[float | None, _amount(1.0), Field(ge=1, le=10)] = None
    crop: bool = True
    colour: Annotated[float | None, _amount(0.0), Field(ge=0, le=1)] = None


def _read(value: Any) -> Any:
    return declare(Augment, value, "augment") if isinstance(value, dict) else value


Augmentation = Annotated[bool | Augment, BeforeValidator(_read)]  # true: every change by default; false: none
