"""Furnished rooms made by the program itself."""

from afanet.data.rooms.rooms import open_rooms

__all__ = ["open_rooms"]
