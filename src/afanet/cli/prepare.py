"""The command `data prepare`: the cache of samples, and the features that a frozen trunk gives for them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afanet.cli.flags import add_recipe_flags, add_trust_flag, overrides
from afanet.errors import InputError
from afanet.limits import MOST_VIEWS, readers

if TYPE_CHECKING:
    from afanet.data import Data
    from afanet.recipe.schema import Recipe
    from afanet.training.job import Job

OF_FEATURES = ("network.", "tasks", "seed", "device")  # recipe keys that do not change the samples in the cache


def add_prepare_command(commands: Any, words: Sequence[str]) -> None:
    """Add `prepare` to the commands under `afanet data`."""
    prepare: ArgumentParser = commands.add_parser(
        "prepare",
        help="decode all samples once into a cache that training uses",
        description="Decode every sample once into a cache. Training by the same recipe then reads the cache.",
        allow_abbrev=False,
    )
    prepare.set_defaults(command=_prepare, parser=prepare)
    prepare.add_argument("recipe", metavar="RECIPE", help="a recipe's name or a YAML file")
    prepare.add_argument(
        "--features", action="store_true", help="also store the frozen trunk's features of each training image"
    )
    prepare.add_argument("--views", type=int, metavar="K", help="store features of K augmented views of each image")
    prepare.add_argument(
        "--stream", metavar="FOLDER|URL", help="also write the samples as shards, to a folder or to s3://BUCKET/FOLDER"
    )
    add_trust_flag(prepare)
    add_recipe_flags(prepare, words, ("data.", "distill", *OF_FEATURES))


def _prepare(given: Namespace) -> None:
    from afanet.recipe.load import load_recipe

    flags = overrides(given)
    _require_features(given, flags)
    recipe = load_recipe(given.recipe, flags)
    from afanet.data.cache import use_cache
    from afanet.data.prepare import abandoned, prepare
    from afanet.progress import Bar
    from afanet.runs.setup import data_cache, open_whole

    if given.stream is not None:
        _require_streamable(given.stream, recipe)
    job = _job(recipe, given.views or 0) if given.features else None
    taught = _taught(recipe) if recipe.distill else None
    data = open_whole(recipe)
    total = sum(len(split) for split in data.splits.values())
    with Bar(total, "decoding", line=f"decoding {total} samples, unless they are in the cache") as bar:
        cache, new = prepare(data, data_cache(recipe), workers=readers(), advance=bar.advance)
    print(f"{cache}: {_size(cache)}, {'written' if new else 'already there'}; training by this recipe reads it")
    if given.stream is not None:
        _write_stream(given.stream, data, cache, recipe)
    if job:
        _prepare_features(replace(job, data=use_cache(data, cache.parent)[0]), given.views or 0)
    if taught:
        _prepare_answers(replace(taught, data=use_cache(data, cache.parent)[0]))
    for left in abandoned(cache.parent):
        print(f"{left} is unfinished: remove it, unless another `data prepare` is writing it now")


def _require_streamable(address: str, recipe: Recipe) -> None:
    from afanet.data.streams.place import Place

    if Place(address).scheme in ("http", "https"):
        raise InputError(f"--stream {address} is on a web server, which cannot be written: give a folder or s3://")
    if recipe.distill or recipe.data.stream:
        wrong = "distill" if recipe.distill else "data.stream"
        raise InputError(f"--stream writes the labelled samples of a data set's own files: leave {wrong} out")


def _write_stream(address: str, data: Data, cache: Path, recipe: Recipe) -> None:
    from afanet.data.streams.write import write_stream
    from afanet.progress import Bar, say
    from afanet.runs.setup import stream_config

    total = sum(len(split) for split in data.splits.values())
    with Bar(total, "writing shards", line=f"writing shards of {total} samples, unless they are there") as bar:
        index, new = write_stream(data, cache, stream_config(recipe), address, say, advance=bar.advance)
    size = sum(shard.size for shard in index.shards) / 1e6
    told = f"{len(index.shards)} shards, {size:.1f} MB, {'written' if new else 'already there'}"
    print(f"{address}: {told}; training reads it with --data.stream {address}")


def _job(recipe: Recipe, views: int) -> Job:
    """The recipe's job; raises `InputError`, before anything is decoded, if its network has no features to keep."""
    from afanet.recipe.code import with_code
    from afanet.training.features import require_trunk
    from afanet.training.job import prepare
    from afanet.training.run import resolve

    job = prepare(with_code(resolve(recipe)))
    require_trunk(job, views)
    for line in [*job.notes, *filter(None, job.weights_report.splitlines())]:
        print(line)
    return job


def _taught(recipe: Recipe) -> Job | None:
    """The recipe's job; prints a line and returns None if its teachers' answers cannot be kept."""
    from afanet.recipe.code import with_code
    from afanet.training.feature_facts import changes_images
    from afanet.training.job import prepare
    from afanet.training.run import resolve

    job = prepare(with_code(resolve(recipe)))
    if changes_images(job):
        print(
            "the teachers' answers are not kept, since training changes the images each time: give "
            "--data.options.augment false for the same image in each epoch"
        )
        return None
    return job


def _prepare_answers(job: Job) -> None:
    from afanet.progress import Bar
    from afanet.training.distilling.answers import prepare_answers

    total = len(job.data.train)
    with Bar(total, "answers", line=f"asking the teachers about {total} images, unless they were asked") as bar:
        path, new = prepare_answers(job, readers(), bar.advance)
    state = "written" if new else "already there"
    print(f"{path}: {_size(path)}, {state}; answers of the teachers, which training reads")


def _prepare_features(job: Job, views: int) -> None:
    from afanet.progress import Bar
    from afanet.training.features import prepare_features, rows_to_keep

    total = rows_to_keep(job, views)
    with Bar(total, "features", line=f"computing features of {total} images, unless they are kept already") as bar:
        path, new = prepare_features(job, views, readers(), bar.advance)
    of = f"{views} augmented views of each image" if views else "each image once, without augmentation"
    print(f"{path}: {_size(path)}, {'written' if new else 'already there'}; features of {of}, which training reads")


def _require_features(given: Namespace, flags: dict[str, Any]) -> None:
    """Raise `InputError` for flags of features without `--features`, and for an impossible number of views."""
    if not given.features:
        if given.views is not None:
            raise InputError("--views is for stored features: give --features too")
        if of_features := [key for key in flags if key.startswith(OF_FEATURES)]:
            raise InputError(f"--{of_features[0]} does not change the cached samples: leave it out, or give --features")
    if given.views is not None and not 0 < given.views <= MOST_VIEWS:
        raise InputError(f"--views is {given.views}, expected 1 to {MOST_VIEWS}")


def _size(folder: Path) -> str:
    return f"{sum(file.stat().st_size for file in folder.rglob('*') if file.is_file()) / 1e6:.0f} MB"
