"""Is a data set fit to learn from: files that cannot be read, people in two splits, labels counted."""
