"""The distance to what each pixel shows."""
