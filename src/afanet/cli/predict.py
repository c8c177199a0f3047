"""`afanet predict`: predictions of a finished network on photos."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afanet.cli.flags import add_tasks_flag, add_trust_flag, given_tasks, path_flag
from afanet.cli.predictions import Named, Predictions
from afanet.cli.present import require_present_model
from afanet.errors import InputError

if TYPE_CHECKING:
    from afanet.inference.predictor import Predictor
    from afanet.tasks.result import Result


def add_predict_command(commands: Any) -> None:
    """Add the command."""
    predict: ArgumentParser = commands.add_parser(
        "predict",
        help="predict on photos, by a finished run or an exported file",
        description="Predict on photos of any size, by a finished run or a file of `afanet export`; ONNX and "
        "OpenVINO files need no torch. Existing files of the same names in DIR are replaced.",
        allow_abbrev=False,
    )
    predict.set_defaults(command=_predict, parser=predict)
    add_trust_flag(predict)
    predict.add_argument(
        "model", type=path_flag, metavar="RUN", help="a run, a saved folder, hub:OWNER/NAME or an exported file"
    )
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help="pictures, videos, folders of them, or patterns")
    predict.add_argument("--out", type=path_flag, metavar="DIR", required=True, help="folder for the predictions")
    add_tasks_flag(predict, "predict these tasks alone, and compute only what they need; all by default")
    predict.add_argument("--flip", action="store_true", help="average with the mirror image")
    predict.add_argument(
        "--scales",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="S",
        help="average over the network's own size times each of these, such as 0.75 1 1.25",
    )
    predict.add_argument("--batch-size", type=int, default=8, metavar="N", help="photos at a time, 8 by default")
    predict.add_argument("--device", help="auto, cpu, cuda, cuda:1 or mps; the recipe's by default")


def _predict(given: Namespace) -> None:
    require_present_model(given.model)
    from afanet.inference.find import find_photos

    out: Path = given.out
    files, faults = find_photos(given.inputs, leave_out=out, arrays=True)
    if not files:
        raise _unusable(faults)
    from afanet.inference.output_names import unique_names
    from afanet.inference.predictor import Predictor
    from afanet.progress import Bar

    options = {key: getattr(given, key) for key in ("flip", "scales", "batch_size", "device")}
    predictor = Predictor(given.model, tasks=given_tasks(given), **options)
    channels = predictor.model.about.normalisation.channels
    if channels == 3:  # in folders, arrays are labels or other values
        files, faults = find_photos(given.inputs, leave_out=out)
        if not files:
            raise _unusable(faults)
    predictions = Predictions(out)
    broken: list[str] = []
    doing = f"predicting on {len(files)} file{'s' if len(files) > 1 else ''}"
    try:
        with Bar(len(files), "predicting", line=doing) as bar:
            named = list(zip(files, unique_names(files), strict=True))
            photos = _read(named, channels, faults, bar.advance)
            while batch := list(islice(photos, given.batch_size)):
                for photo, results in _answer(predictor, batch, broken):
                    faults += filter(None, [predictions.add(photo, results)])
    finally:  # what was done is listed, whatever ended the work
        predictions.write()
    predictions.report()
    if broken and not predictions.lines and not faults:
        raise InputError(broken[0])  # the network is at fault, not the photos
    if faults or broken:
        raise _unusable([*faults, *broken])


def _answer(
    predictor: Predictor, batch: Sequence[Named], broken: list[str]
) -> Iterator[tuple[Named, Mapping[str, Result]]]:
    """Every photo with its results; each photo whose outputs are not finite adds a sentence to `broken` instead."""
    for photo, results in zip(batch, predictor.attempt([pixels for _, _, pixels in batch]), strict=True):
        if isinstance(results, InputError):
            broken.append(f"{photo[0]}: {results}")
        else:
            yield photo, results


def _unusable(faults: Sequence[str]) -> InputError:
    lines = [fault.replace("\n", "\\n") for fault in faults]
    return InputError("\n  ".join([f"{len(lines)} of the inputs cannot be used:", *lines]))


def _read(
    named: Sequence[tuple[Path, str]], channels: int, faults: list[str], advance: Callable[[], None]
) -> Iterator[Named]:
    """Every readable photo and frame; each unreadable file adds a sentence to `faults`."""
    from afanet.images import read_image
    from afanet.inference.find import VIDEOS
    from afanet.inference.output_names import FRAME, name_fault
    from afanet.inference.video import read_frames
    from afanet.normalisation import as_channels

    for path, name in named:
        try:
            if fault := name_fault(path, name):
                raise InputError(fault)
            if path.suffix.lower() in VIDEOS:
                for number, frame in enumerate(read_frames(path), 1):
                    yield path, FRAME.format(name, number), as_channels(frame, channels, str(path))
            else:
                yield path, name, as_channels(read_image(path), channels, str(path))
        except InputError as error:
            faults.append(str(error))
        advance()
