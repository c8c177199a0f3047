"""Decoders: what stands between backbones and heads, where tasks exchange features; one file a method."""
