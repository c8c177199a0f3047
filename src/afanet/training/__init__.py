"""Training and evaluation on Lightning, from recipes.

Nothing is imported here: a recipe can be read (`training.load`) without loading torch or Lightning, which
`training.run` needs.
"""
