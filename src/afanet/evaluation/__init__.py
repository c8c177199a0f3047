"""Scores of a finished run by another protocol: other data or split, the labels' own size, sliding windows."""
