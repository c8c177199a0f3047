"""Training and evaluation on Lightning, from recipes.

Nothing is imported here: a recipe can be read (`recipe.load`) without loading torch or Lightning, which
`training.run` needs.
"""
