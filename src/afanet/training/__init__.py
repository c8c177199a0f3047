"""Training and evaluation on Lightning, from recipes.

This file imports nothing: reading a recipe (`recipe.load`) loads neither torch nor Lightning, which
`training.run` needs.
"""
