"""Checks that authors of methods and kinds of task can put theirs through."""
