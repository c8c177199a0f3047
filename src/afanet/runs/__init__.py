"""Runs: the folders that training writes, and everything that is read from them."""
