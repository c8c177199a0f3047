"""Starting from the network of a finished run: the parts that fit are taken, the rest starts fresh."""
