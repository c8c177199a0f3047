"""Runs: what training left in a folder, and everything that is read from it."""
