"""`afanet save` and `afanet push`: a finished run as a folder to share, here or on the Hugging Face hub."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from afanet.cli.flags import path_flag
from afanet.cli.present import require_present_run


def add_share_commands(commands: Any) -> None:
    """Add both commands."""
    save: ArgumentParser = commands.add_parser(
        "save",
        help="write a finished run as a folder to share",
        description="Write the network of a finished run as a folder to share: model.safetensors, config.json and the "
        "model card README.md, without code and without paths of this machine. `afanet.load` and every command that "
        "reads a run accept the folder.",
        allow_abbrev=False,
    )
    save.set_defaults(command=_save, parser=save)
    save.add_argument("run", type=path_flag, metavar="RUN", help="a run, or hub:OWNER/NAME")
    save.add_argument("folder", type=path_flag, metavar="FOLDER", help="a new or empty folder")

    push: ArgumentParser = commands.add_parser(
        "push",
        help="upload a finished run to the Hugging Face hub",
        description="Upload the network of a finished run, or a folder of `afanet save`, to the Hugging Face hub, "
        "where everybody can use it as hub:OWNER/NAME. Log in first with `hf auth login`.",
        allow_abbrev=False,
    )
    push.set_defaults(command=_push, parser=push)
    push.add_argument("run", type=path_flag, metavar="RUN", help="folder of the run, or a folder of `afanet save`")
    push.add_argument("name", metavar="OWNER/NAME", help="repository on the hub, created if it does not exist")


def _save(given: Namespace) -> None:
    require_present_run(given.run)
    from afanet.export.save import save_run

    saved = save_run(given.run, given.folder)
    print(f"read back, its outputs are those of {given.run}, bit for bit")
    print(f"{saved.folder}: README.md, config.json, model.safetensors ({saved.bytes / 1e6:.1f} MB)")


def _push(given: Namespace) -> None:
    require_present_run(given.run)
    from afanet.export.push import push_run

    pushed = push_run(given.run, given.name)
    print(f"{pushed.address}: README.md, config.json, model.safetensors ({pushed.bytes / 1e6:.1f} MB)")
    print(f"afanet predict hub:{given.name} PHOTO --out predictions predicts with it")
