"""A run on disk: its folder, its checkpoint, and the network, tasks and data that it stands for."""
