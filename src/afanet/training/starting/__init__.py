"""Beginning with the network of a finished run: what of it fits is taken, the rest starts fresh."""
