"""Furnished rooms made by the program itself."""

from afanet.data.sets.rooms.rooms import open_rooms

__all__ = ["open_rooms"]
