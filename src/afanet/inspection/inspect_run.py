"""The inspection of one run, with or without its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from afanet.comparison.gaps import FEW
from afanet.data import Data
from afanet.errors import InputError
from afanet.fusion.meetings import lacking
from afanet.inspection import LIMIT
from afanet.inspection.connections import Cut, Gates, Readings, inspect_connections, read_layers
from afanet.inspection.constant import ConstantGates, inspect_constant, require_replaceable
from afanet.runs.examples import EXAMPLES, read_test_samples, spread_over
from afanet.runs.loaded import LoadedNetwork, TaskPredictor
from afanet.runs.run import Run
from afanet.tasks import Described

PHOTOS_ALONE = "Shares are of the images below alone, and no connection was cut."


@dataclass(frozen=True)
class Inspection:
    """The tasks that meet, `gates` and readings of single `photos`, and `readings` and `cuts` over test images.

    If no photos are given, a few test images, named in `ids`, take their place. `images` (B, C, H, W) holds the photos
    or these test images, normalised. `note` says which images the shares and cuts are of. `constant` has the scores
    with constant gates, if these were requested.
    """

    tasks: Mapping[str, Described]
    gates: Gates
    photos: Readings
    readings: Readings
    cuts: list[Cut]
    note: str
    constant: ConstantGates | None = None
    images: Tensor | None = None
    ids: Sequence[str] = ()


def inspect_run(run: Run, photos: Tensor | None, limit: int | None = None, constant: bool = False) -> Inspection:
    """Inspect normalised `photos` (B, C, H, W), if any, and up to `limit` test images; a limit of 0 opens no data.

    By default, connections are read and cut on up to 200 test images. With `constant`, the network is also scored with
    constant gates, by default on all test images.

    If the data cannot be read, only the photos are inspected, and the note says so. Raises `InputError` for a network
    without a fusion layer, if there are neither photos nor test images, and if the data of a run cannot be read that
    kept no description of its tasks. With `constant`, it also raises one if the data cannot be read, and for a network
    without gates that can be replaced.
    """
    if limit == 0 and (photos is None or constant):
        if constant:
            raise InputError("the limit of test images is 0 and constant gates are scored on them: give one above 0")
        raise InputError("the limit of test images is 0 and there is no photo: give a photo, or a limit above 0")
    described, note = run.described, PHOTOS_ALONE
    if limit != 0 or not described:
        try:
            data, tasks = run.open()
        except InputError as error:
            if photos is None:
                raise InputError(f"{error} (no photo was given, so `inspect` needs the test images)") from None
            if constant or not described:
                raise
            note += f" The data cannot be read: {error}."
        else:
            return _inspect_data(TaskPredictor(run, tasks), data, photos, limit, constant)
    assert photos is not None  # without photos, the branch above returned or raised
    loaded = LoadedNetwork(run, described)
    gates, of_photos = read_layers(loaded, photos)
    note = f"{note} {lacking(loaded.network)}".rstrip()
    return Inspection(described, gates, of_photos, of_photos, [], note, images=photos)


def _inspect_data(
    predictor: TaskPredictor, data: Data, photos: Tensor | None, limit: int | None, constant: bool
) -> Inspection:
    if constant:
        require_replaceable(predictor.network)
    ids: Sequence[str] = ()
    if photos is None:
        samples = read_test_samples(data, {}, spread_over(len(data.test), EXAMPLES))
        photos, ids = samples["image"], samples["id"]
    gates, of_photos = read_layers(predictor, photos)
    if limit == 0:
        note = f"{PHOTOS_ALONE} {lacking(predictor.network)}".rstrip()
        return Inspection(predictor.tasks, gates, of_photos, of_photos, [], note, images=photos)
    connections = inspect_connections(predictor, data, LIMIT if limit is None else limit)
    on = f"{connections.images} of {connections.total} test images"
    few = " That is few: other images may give other changes." if connections.images < FEW else ""
    note = f"Shares are means over {on}, on which connections were cut.{few}"
    note = f"{note if connections.readings or connections.cuts else ''} {connections.lacking}".strip()
    replaced = inspect_constant(predictor, data, limit) if constant else None
    found = connections.readings, connections.cuts
    return Inspection(predictor.tasks, gates, of_photos, *found, note, replaced, photos, ids)
