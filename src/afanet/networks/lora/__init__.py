"""Low-rank adapters on frozen backbones: which layers get them, the network without them, and a file of them alone."""
