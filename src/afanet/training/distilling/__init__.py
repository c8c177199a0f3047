"""Learning from teachers: finished runs whose estimates replace missing labels, or complement all labels."""
