"""A page on this machine to try a finished run on photos."""

from afanet.demo.address import Address, find_address
from afanet.demo.exhibit import Exhibit
from afanet.demo.server import create_app, serve

__all__ = ["Address", "Exhibit", "create_app", "find_address", "serve"]
