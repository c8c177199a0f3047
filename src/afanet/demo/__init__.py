"""A local page to try a finished run on photos."""

from afanet.demo.address import Address, find_address
from afanet.demo.exhibit import Exhibit
from afanet.demo.file_exhibit import FileExhibit
from afanet.demo.server import create_app, serve

__all__ = ["Address", "Exhibit", "FileExhibit", "create_app", "find_address", "serve"]
