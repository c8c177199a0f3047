"""Low-rank adapters on frozen backbones: which layers get them, how they are merged, and a file with only them."""
