"""`afanet predict`: predictions of a finished network on photos."""

from __future__ import annotations

import csv
import io
import json
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afanet.cli.flags import add_trust_flag, path_flag
from afanet.cli.present import require_present_run
from afanet.errors import InputError
from afanet.files import path_in, write_whole

if TYPE_CHECKING:
    from afanet.photo import Pixels
    from afanet.tasks.result import Result

TOGETHER = "side-by-side"
LINES, TABLE = "predictions.jsonl", "predictions.csv"

Named = tuple[Path, str, "Pixels"]


def add_predict_command(commands: Any) -> None:
    """Add the command."""
    predict: ArgumentParser = commands.add_parser(
        "predict",
        help="predict on photos, by a finished run or an ONNX file",
        description="Predict on photos of any size, by a finished run or by an ONNX file of `afanet export`, which "
        "needs no torch. Existing files of the same names in DIR are replaced.",
        allow_abbrev=False,
    )
    predict.set_defaults(command=_predict, parser=predict)
    add_trust_flag(predict)
    predict.add_argument("model", type=path_flag, metavar="RUN", help="folder of a finished run, or an .onnx file")
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help="pictures, videos, folders of them, or patterns")
    predict.add_argument("--out", type=path_flag, metavar="DIR", required=True, help="folder for the predictions")
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
    if given.model.suffix.lower() != ".onnx":
        require_present_run(given.model)
    from afanet.inference.find import find_photos

    out: Path = given.out
    files, faults = find_photos(given.inputs, leave_out=out)
    if not files:
        raise _unusable(faults)
    from afanet.inference.predictor import Predictor

    predictor = Predictor(
        given.model, flip=given.flip, scales=given.scales, batch_size=given.batch_size, device=given.device
    )
    lines: list[dict[str, Any]] = []
    rows: list[dict[str, str | float]] = []
    kinds = Counter[str]()
    with _progress(len(files)) as advance:
        photos = _read(list(zip(files, unique_names(files), strict=True)), faults, advance)
        while batch := list(islice(photos, given.batch_size)):
            answers = predictor.predict([pixels for _, _, pixels in batch])
            for photo, results in zip(batch, answers, strict=True):
                line, row = _save(out, photo, results)
                kinds.update(Path(file).parent.name for file in line["files"])
                lines.append(line)
                rows.append(row)
    if lines:
        write_whole(out / LINES, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())
        if len(rows[0]) > 2:
            write_whole(out / TABLE, _table(rows).encode())
        for kind, count in kinds.items():
            print(f"{out / kind}: {count} file{'s' if count > 1 else ''}")
        print(f"{out / LINES}: a line for each of {len(lines)}{f', {TABLE} too' if len(rows[0]) > 2 else ''}")
    if faults:
        raise _unusable(faults)


def _save(out: Path, photo: Named, results: Mapping[str, Result]) -> tuple[dict[str, Any], dict[str, str | float]]:
    """Write the pictures for one photo; returns its line of JSON and its row of the table."""
    from afanet.inference.together import side_by_side
    from afanet.tasks.drawing.png import png
    from afanet.tasks.result import PooledResult

    path, name, pixels = photo
    pooled = {task: result for task, result in results.items() if isinstance(result, PooledResult)}
    written = [file for task, result in results.items() if task not in pooled for file in result.save(out, name)]
    written.append(write_whole(path_in(out, TOGETHER, f"{name}.png"), png(side_by_side(pixels, results))))
    line = {
        "image": str(path),
        "name": name,
        "size": list(pixels.shape[:2]),
        "predictions": {task: result.as_json() for task, result in pooled.items()},
        "files": [file.relative_to(out).as_posix() for file in written],
    }
    row: dict[str, str | float] = {"image": str(path), "name": name}
    for result in pooled.values():
        row |= result.columns()
    return line, row


def _unusable(faults: Sequence[str]) -> InputError:
    listed = "".join(f"\n  {fault}" for fault in faults)
    return InputError(f"{len(faults)} of the inputs cannot be used:{listed}")


def unique_names(files: Sequence[Path]) -> list[str]:
    """A name for the results of each file: its stem, with folders before it if two are alike.

    >>> unique_names([Path("a/x.jpg"), Path("b/x.jpg"), Path("b/y.png"), Path("b/Y.jpg")])
    ['a-x', 'b-x', 'y-png', 'Y-jpg']
    """
    forms: list[Callable[[Path], str]] = [
        lambda file: file.stem,
        lambda file: "-".join([*file.parts[-2:-1], file.stem]),
        lambda file: file.name.replace(".", "-"),
        lambda file: "-".join([*file.parts[:-1], file.name.replace(".", "-")]).replace("/", "").replace("\\", ""),
    ]
    names: list[str | None] = [None] * len(files)
    for form in forms:
        unnamed = [index for index, name in enumerate(names) if name is None]
        candidates = {index: form(files[index]) for index in unnamed}
        counts = Counter(name.casefold() for name in [*candidates.values(), *filter(None, names)])
        for index, name in candidates.items():
            if counts[name.casefold()] == 1:
                names[index] = name
    taken = {name.casefold() for name in names if name}
    for index, known in enumerate(names):
        number = 2
        while known is None:
            name = f"{files[index].stem}-{number}"
            if name.casefold() not in taken:
                taken.add(name.casefold())
                names[index] = known = name
            number += 1
    return [name for name in names if name is not None]


def _read(named: Sequence[tuple[Path, str]], faults: list[str], advance: Callable[[], None]) -> Iterator[Named]:
    """Every readable photo and frame; each unreadable file adds a sentence to `faults`."""
    from afanet.inference.find import VIDEOS
    from afanet.inference.video import read_frames
    from afanet.photo import read_photo

    for path, name in named:
        try:
            if path.suffix.lower() in VIDEOS:
                for number, frame in enumerate(read_frames(path), 1):
                    yield path, f"{name}-{number:06}", frame
            else:
                yield path, name, read_photo(path)
        except InputError as error:
            faults.append(str(error))
        advance()


def _table(rows: Sequence[dict[str, Any]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar over the files, if the standard error is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("predicting", total=total)
        yield lambda: progress.advance(bar)
