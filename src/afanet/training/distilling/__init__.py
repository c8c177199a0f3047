"""Learning from teachers: finished runs whose estimates stand in for labels, or stand beside them."""
