"""Recipes, which decide a training run: their schema, how they are read, and which keys each method uses."""
