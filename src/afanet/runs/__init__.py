"""A run on disk: its folder, what it keeps, its checkpoint, and the network built from its recipe."""
