"""What training changes at random in its images: the switches of a data set's option `augment`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from afanet.declared import Declared, declare

COLOUR = 0.2  # the largest change of brightness, contrast and saturation, if a recipe gives no other


def _amount(least: float) -> BeforeValidator:
    """Takes `true` as the usual amount, None, and `false` as the one that changes nothing."""
    return BeforeValidator(lambda value: (None if value else least) if isinstance(value, bool) else value)


class Augment(Declared):
    """The changes that training makes at random: a switch for each.

    `mirror`: left to right, every second image. `zoom`: up to how many times as large, 1 for never; the data set's own
    limit if not given. `crop`: whether the window of a zoom is anywhere in the image, or in its middle. `colour`: by up
    to what share brightness, contrast and saturation change; 0.2 if not given.
    """

    mirror: bool = True
    zoom: Annotated[float | None, _amount(1.0), Field(ge=1, le=10)] = None
    crop: bool = True
    colour: Annotated[float | None, _amount(0.0), Field(ge=0, le=1)] = None


def _read(value: Any) -> Any:
    return declare(Augment, value, "augment") if isinstance(value, dict) else value


Augmentation = Annotated[bool | Augment, BeforeValidator(_read)]  # true: every change as it is by default; false: none
