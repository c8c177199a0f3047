"""The command line: parse, call, print."""

from afanet.cli.main import main

__all__ = ["main"]
