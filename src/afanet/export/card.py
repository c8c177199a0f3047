"""The model card of a network: what it does, its training data, its scores, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from afanet.data.licences import shows_people
from afanet.export.card_parts import bullets, is_compressed, scores_of_file, scores_of_runs, table
from afanet.export.check import LIMIT
from afanet.framing import Resize
from afanet.outside import short_name
from afanet.plain_text import in_markdown
from afanet.runs.run import Run
from afanet.tasks.kinds import KINDS, outputs

OF_PERSONS = {"age", "gender"}
FITS: dict[Resize, str] = {
    "stretch": "A photo of other proportions is stretched to this size.",
    "letterbox": "A photo of other proportions keeps them: it is resized to fit into the middle and, after "
    "normalisation, padded with 0. Outputs for the padding mean nothing: cut them off.",
    "crop": "From a photo of other proportions, the largest central part with the right proportions is cut out and "
    "resized. The outputs are for this part only.",
}
FACE_RISKS = """## Faces: known risks

- The network sees pixels, not persons. Its "age" is how old a face looks to the people who labelled the photos. Its
  "gender" is one of two words that somebody else chose from a photo. Neither says who a person is, and people who fit
  neither word are always given one.
- Errors are not spread equally. Published audits of such networks found more errors for women, for darker skin, for
  children and for old people, mostly because training photos show fewer of them. The scores above are means, which hide
  this: before use, measure each group that you will meet.
- Light, pose, glasses, make-up and the quality of a photo change the answer. So may small changes that nobody sees.
- Do not use it to decide about a person (admission, work, credit, police, care), to keep minors out without other
  checks, to identify or follow anybody, or where people have not agreed. In many places the law forbids or restricts
  this, and treats pictures of faces as personal data that need special care.
"""


def model_card(
    group: Sequence[Run],
    run: Run,
    facts: Mapping[str, Any],
    file: Path,
    errors: Mapping[str, float],
    checked: str,
) -> str:
    """The card in Markdown for `run`, exported to `file`, with the spread of its scores over the seeds of `group`."""
    parts = [
        f"# {in_markdown(file.name)}: {', '.join(facts['tasks'])} by `{facts['method']}`",
        f"Written by afanet {facts['afanet']} from a run of the recipe {in_markdown(run.recipe.name)}, seed "
        f"{run.recipe.seed}. The sections below are what the run recorded. If you pass the file on, add what it is "
        "meant for.",
        *about_network(group, run, facts, _input(facts)),
        _checked(facts, errors, checked),
        *limits(run, facts),
    ]
    return "\n\n".join(parts) + "\n"


def _checked(facts: Mapping[str, Any], errors: Mapping[str, float], checked: str) -> str:
    """The section on the comparison of the file with the run."""
    what = (
        "The float32 file from which this one was made was compared with the run"
        if is_compressed(facts)
        else "The file was compared with the run"
    )
    return (
        f"## Checked\n\n{what} in float32 on the CPU, on {in_markdown(checked)}. The table has the largest difference "
        f"relative to the largest value of the output; a file above {LIMIT:.0e} is not written.\n\n"
        + table(("output", "relative error"), [(name, f"{error:.1e}") for name, error in errors.items()])
    )


def about_network(group: Sequence[Run], run: Run, facts: Mapping[str, Any], takes: str) -> list[str]:
    """The sections from the network's outputs to its size; `takes` is the text on its input."""
    cost = {**run.results, **facts}
    size = [
        f"{cost['parameters'] / 1e6:.2f} million parameters",
        f"{cost['flops'] / 1e9:.2f} GFLOPs for an image of {_size(facts['size'])} (a multiply-add is two)",
    ]
    return [
        "## What it gives\n\n" + table(("output", "what", "read as"), outputs(facts["tasks"])) + _left_out(facts),
        f"## What it takes\n\n{takes}",
        "## Data\n\n" + bullets(_data(run, facts)),
        "## Protocol\n\n" + bullets(_protocol(run, facts)),
        "## Scores\n\n"
        + (scores_of_file(facts) if is_compressed(facts) else scores_of_runs(group, list(facts["tasks"]))),
        "## Size\n\n" + bullets(size),
    ]


def limits(run: Run, facts: Mapping[str, Any]) -> list[str]:
    """The sections on what the network must not be used for."""
    data = run.recipe.data
    faces = shows_people(data.name, data.options) or OF_PERSONS & set(facts["tasks"])
    return ["## Limits\n\n" + bullets(_limits(run, facts)), *([FACE_RISKS.strip()] if faces else [])]


def _left_out(facts: Mapping[str, Any]) -> str:
    names = ", ".join(facts.get("left_out", []))
    return (
        f"\n\nThe run was also trained on {names}. The file computes only what the outputs above need." if names else ""
    )


def _input(facts: Mapping[str, Any]) -> str:
    batch = "any number of images at once" if facts["dynamic"]["batch"] else "one image at a time"
    size = "any size from about 33 pixels" if facts["dynamic"]["size"] else "only this size"
    return f"`image`: {images(facts)}; {batch}. {scored_at(facts)}; the graph takes {size}. {FITS[facts['resize']]}"


def images(facts: Mapping[str, Any]) -> str:
    """The type, shape and values of a network's input images, in words."""
    channels = len(facts["mean"])
    grey = "grey (0.299 R + 0.587 G + 0.114 B)"
    kind = {1: grey, 3: "RGB"}.get(channels, f"the {channels} channels of the data")
    return f"float32 (B, {channels}, H, W), {kind} from 0 to 1, minus {facts['mean']} and divided by {facts['std']}"


def scored_at(facts: Mapping[str, Any]) -> str:
    """The size at which a network was scored, in words."""
    return f"It was scored at {_size(facts['size'])}"


def _data(run: Run, facts: Mapping[str, Any]) -> list[str]:
    data = facts["data"]
    return [
        in_markdown(data["description"] or f"{data['name']}, not described by the run"),
        f"licence of the training data: {in_markdown(data['licence'])}",
        f"initial weights: {in_markdown(run.results.get('weights') or 'none')}",
        *_machine_made(run),
        *_teachers(run),
    ]


def _teachers(run: Run) -> Iterator[str]:
    """A line on the tasks that learnt from other networks."""
    weight = run.recipe.distill_weight
    if teachers := run.results.get("teachers"):
        named = ", ".join(f"{in_markdown(name)} from {in_markdown(teacher)}" for name, teacher in teachers.items())
        where = "where labels are missing" if weight is None else "beside labels"
        yield f"learnt from other networks {where}: {named}"


def _machine_made(run: Run) -> Iterator[str]:
    """A line for each split with labels that a network made."""
    for split, tasks in run.results.get("machine_made", {}).items():
        counts = [
            f"{in_markdown(name)} {count['machine_made']}"
            + (f" (mean confidence {count['confidence']:.3f})" if "confidence" in count else "")
            for name, count in tasks.items()
        ]
        yield f"labels of split {in_markdown(split)} made by a network, not by a person: {', '.join(counts)}"


def _protocol(run: Run, facts: Mapping[str, Any]) -> list[str]:
    recipe, results = run.recipe, run.results
    network = recipe.network
    kept = "the epoch that did best on the validation split" if recipe.selects else "the last epoch"
    kept += f" by {in_markdown(recipe.select_by)}" if recipe.select_by else ""
    return [
        f"method `{short_name(network.method)}` on `{network.backbone}`, output stride {network.output_stride}",
        f"{results.get('steps', '?')} steps of {recipe.batch_size} images, {recipe.optimizer.name} at "
        f"{recipe.optimizer.lr:g}, tasks balanced by `{recipe.balancing.name}`, {recipe.precision}",
        f"weights are those of {kept}"
        if is_compressed(facts)
        else f"scores are those of {kept}, on the test split, which was not used for any choice",
    ]


def _limits(run: Run, facts: Mapping[str, Any]) -> list[str]:
    lines = [
        "It knows what its training images show. Other cameras, places, light or people were not tested: expect worse "
        "results.",
        "It always answers: probabilities are not calibrated, and it does not notice images of another kind.",
    ]
    if not all(facts.get("dynamic", {}).values()):
        lines.append("Its graph is tied to the shape named above.")
    if facts["data"]["name"] == "rooms":
        lines.append("It has only seen generated rooms: it shows that the program works, and is useless on photos.")
    kinds = dict.fromkeys(meaning["kind"] for meaning in facts["tasks"].values())
    return [*lines, *(limit for kind in kinds for limit in KINDS[kind].result_class.limits)]


def _size(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"
