"""Scores of a finished run by another protocol: other data or split, the truth's own size, sliding windows."""
