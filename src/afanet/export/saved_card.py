"""The card of a saved folder, with the metadata that the Hugging Face hub reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from afanet.export.card import FITS, about_network, images, limits, scored_at
from afanet.plain_text import in_markdown
from afanet.runs.run import Run

# The hub's names for what a network does, by kind of task; a network with several kinds has none.
PIPELINES = {
    "segmentation": "image-segmentation",
    "multi_label_segmentation": "image-segmentation",
    "saliency": "image-segmentation",
    "human_parts": "image-segmentation",
    "depth": "depth-estimation",
    "classification": "image-classification",
    "ordinal": "image-classification",
    "multi_label": "image-classification",
}
USE = """```python
import afanet

network = afanet.load("{source}")
results = network.predict("photo.jpg")  # by task: {tasks}
logits = network(network.preprocess("photo.jpg"))
```

```console
$ afanet predict {source} photo.jpg --out predictions
```"""


def saved_card(group: Sequence[Run], run: Run, facts: Mapping[str, Any], name: str = "") -> str:
    """The card in Markdown, with the spread of scores over the seeds of `group`; `name` is the name on the hub."""
    source = f"hub:{name}" if name else "FOLDER"
    tasks = list(facts["tasks"])
    where = "" if name else "`FOLDER` is this folder, or `hub:OWNER/NAME`.\n\n"
    takes = f"{images(facts)}. {scored_at(facts)}. {FITS[facts['resize']]} `preprocess` does all of this."
    parts = [
        f"# {', '.join(tasks)} by `{facts['method']}`",
        f"One network with {_outputs(tasks)}, trained by afanet. To use it, install afanet with its extra `report`.",
        f"## How to use it\n\n{where}" + USE.format(source=source, tasks=", ".join(tasks)),
        *about_network(group, run, facts, takes),
        *limits(run, facts),
        f"Written by afanet {facts['afanet']} from a run of the recipe {in_markdown(run.recipe.name)}, seed "
        f"{run.recipe.seed}: `config.json` has all of it.",
    ]
    return f"---\n{_metadata(facts)}---\n\n" + "\n\n".join(parts) + "\n"


def _outputs(tasks: Sequence[str]) -> str:
    return f"{len(tasks)} outputs" if len(tasks) > 1 else "one output"


def _metadata(facts: Mapping[str, Any]) -> str:
    """The card's metadata in YAML: the library, tags, and what the network does if all tasks are of one kind."""
    kinds = list(dict.fromkeys(str(meaning["kind"]) for meaning in facts["tasks"].values()))
    pipelines = list(dict.fromkeys(PIPELINES.get(kind, "") for kind in kinds))
    metadata: dict[str, Any] = {
        "library_name": "afanet",
        "tags": ["multi-task-learning", facts["method"], *(kind.replace("_", "-") for kind in kinds)],
    }
    if len(pipelines) == 1 and pipelines[0]:
        metadata["pipeline_tag"] = pipelines[0]
    text: str = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    return text
