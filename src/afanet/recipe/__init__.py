"""What decides a training run: the recipe's schema, how it is read, and what each method uses of it."""
