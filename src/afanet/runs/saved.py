"""A saved folder, which `afanet save` writes: it is read as a finished run, here or on the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from afanet.errors import InputError
from afanet.paths import is_on_hub
from afanet.recipe.schema import Recipe
from afanet.runs.config import read_config
from afanet.runs.folder import RunFolder
from afanet.runs.kept import CONFIG, require_known_version
from afanet.runs.weights import MODEL


class SavedFolder(RunFolder):
    """The paths of a saved folder's files, in the form of a finished run's.

    Args:
        path: the source that `load_run` takes: the folder, or `hub:owner/name`.
        files: the folder that holds the files, if it is not `path`.
    """

    def __init__(self, path: Path, files: Path | None = None) -> None:
        super().__init__(path if files is None else files)
        self.elsewhere = files is not None
        self.metrics, self.scored = self.path / CONFIG, self.path / MODEL
        self.path = path
        for file in (self.metrics, self.scored):
            if not file.is_file():
                raise InputError(f"{path} has no {file.name}, expected what `afanet save` writes: {CONFIG} and {MODEL}")

    def output(self, name: str) -> Path:
        """See `RunFolder.output`; raises `InputError` for a network on the hub, which has no folder to write to."""
        if self.elsewhere:
            raise InputError(f"{self.path} is on the hub, so {name} cannot be written there: give --out")
        return super().output(name)

    def write(self, file: Path, results: dict[str, Any]) -> None:
        """See `RunFolder.write`; for a network on the hub, nothing is written."""
        if not self.elsewhere:
            super().write(file, results)

    def read_results(self) -> dict[str, Any]:
        """The results in its config.json; raises `InputError` as `read_config` and `require_known_version` do."""
        results = read_config(self.metrics)[1]
        require_known_version(self.path, self.metrics, results)
        return results

    def read_recipe(self) -> Recipe:
        """The recipe in its config.json; raises `InputError` as `read_config` does."""
        return read_config(self.metrics)[0]


def open_folder(source: str | Path) -> RunFolder:
    """The folder of a run, a saved folder, or the folder of `hub:owner/name`, which is downloaded once.

    Raises `InputError` for anything else, and if a download fails.
    """
    if is_on_hub(source):
        from afanet.runs.hub import download

        return SavedFolder(Path(source), download(str(source)))
    path = Path(source)
    folder = RunFolder(path)
    if not folder.recipe.is_file() and any((path / name).is_file() for name in (CONFIG, MODEL)):
        return SavedFolder(path)
    return RunFolder.existing(path)
