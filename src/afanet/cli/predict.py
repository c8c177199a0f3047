"""`afanet predict`: predictions of a finished network on photos."""

from __future__ import annotations

import sys
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
    from afanet.photo import Pixels
    from afanet.tasks.result import Result

STDIN = Path("-")  # compared by identity, since a file may have this name too
MOST_BYTES = 2**30  # from the standard input: more than any image of the largest size has


def add_predict_command(commands: Any) -> None:
    """Add the command."""
    predict: ArgumentParser = commands.add_parser(
        "predict",
        help="predict on photos, with a finished run or an exported file",
        description="Predict on photos of any size, with a finished run or a file of `afanet export`; ONNX and "
        "OpenVINO files need no torch. Existing files of the same names in DIR are replaced. With --json, one line "
        "per photo goes to the standard output.",
        allow_abbrev=False,
    )
    predict.set_defaults(command=_predict, parser=predict)
    add_trust_flag(predict)
    predict.add_argument(
        "model", type=path_flag, metavar="RUN", help="a run, a saved folder, hub:OWNER/NAME or an exported file"
    )
    predict.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, videos, folders of them, or patterns; - reads a picture from the standard input",
    )
    predict.add_argument("--out", type=path_flag, metavar="DIR", help="folder for the predictions")
    predict.add_argument(
        "--json",
        action="store_true",
        help="print one line of JSON per photo, as in predictions.jsonl, with or without --out",
    )
    add_tasks_flag(predict, "predict only these tasks, and compute only what they need; all by default")
    predict.add_argument("--flip", action="store_true", help="average the predictions with those for the mirror image")
    predict.add_argument(
        "--scales",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="S",
        help="average the predictions over several sizes: factors on the network's own, such as 0.75 1 1.25",
    )
    predict.add_argument("--batch-size", type=int, default=8, metavar="N", help="photos at a time, 8 by default")
    predict.add_argument("--device", help="auto, cpu, cuda, cuda:1 or mps; the recipe's by default")


def _predict(given: Namespace) -> None:
    require_present_model(given.model)
    if given.out is None and not given.json:
        raise InputError("predictions need an output: give --out DIR for files, --json to print them, or both")
    files, faults = _find(given, arrays=True)
    if not files:
        raise _unusable(faults)
    from afanet.inference.output_names import unique_names
    from afanet.inference.predictor import Predictor
    from afanet.progress import Bar

    options = {key: getattr(given, key) for key in ("flip", "scales", "batch_size", "device")}
    predictor = Predictor(given.model, tasks=given_tasks(given), **options)
    if given.out is None:
        _require_words(predictor)
    channels = predictor.model.about.normalisation.channels
    if channels == 3:  # in folders of photos, arrays are labels or other values
        files, faults = _find(given, arrays=False)
        if not files:
            raise _unusable(faults)
    predictions = Predictions(given.out, given.json)
    broken: list[str] = []
    doing = f"predicting on {len(files)} file{'s' if len(files) > 1 else ''}"
    try:
        with Bar(len(files), "predicting", line=doing) as bar:
            titles = [Path("stdin") if file is STDIN else file for file in files]
            named = list(zip(files, unique_names(titles), strict=True))
            photos = _read(named, channels, faults, bar.advance)
            while batch := list(islice(photos, given.batch_size)):
                for photo, results in _answer(predictor, batch, broken):
                    faults += filter(None, [predictions.add(photo, results)])
    finally:  # finished photos are listed, whatever ended the work
        predictions.write()
    predictions.report()
    if broken and not predictions.lines and not faults:
        raise InputError(broken[0])  # the network is at fault, not the photos
    if faults or broken:
        raise _unusable([*faults, *broken])


def _find(given: Namespace, arrays: bool) -> tuple[list[Path], list[str]]:
    """The files that the inputs name, the standard input first, and a sentence for each input that names none."""
    from afanet.inference.find import find_photos

    paths = [text for text in given.inputs if text != str(STDIN)]
    files, faults = find_photos(paths, leave_out=given.out, arrays=arrays)
    return [STDIN] * (len(paths) < len(given.inputs)) + files, faults


def _require_words(predictor: Predictor) -> None:
    """Raise `InputError` if no task has a result in words, since a line without files can hold nothing else."""
    from afanet.tasks.kinds import kind_of
    from afanet.tasks.result import PooledResult

    meanings = predictor.model.about.tasks
    if not any(issubclass(kind_of(task, meaning).result_class, PooledResult) for task, meaning in meanings.items()):
        raise InputError(
            f"the results of {', '.join(meanings)} are pictures, which JSON cannot hold: give --out DIR for them"
        )


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
                pixels = _read_stdin() if path is STDIN else read_image(path)
                yield path, name, as_channels(pixels, channels, str(path))
        except InputError as error:
            faults.append(str(error))
        advance()


def _read_stdin() -> Pixels:
    """The photo or array from the standard input."""
    from afanet.images import decode_image

    if sys.stdin.isatty():
        raise InputError("- reads the standard input, and nothing is piped into it: append < photo.jpg, or name a file")
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if not content:
        raise InputError("the standard input is empty, expected a picture")
    if len(content) > MOST_BYTES:
        raise InputError(f"the standard input has more than {MOST_BYTES // 2**30} GiB, expected one picture")
    return decode_image(content, "the standard input")
