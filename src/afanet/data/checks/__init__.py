"""Checks of a data set before training: unreadable files, people in two splits, counts of labels."""
