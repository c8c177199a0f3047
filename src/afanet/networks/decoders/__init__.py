"""Decoders, in which tasks exchange features between the backbones and the heads; one file per method."""
