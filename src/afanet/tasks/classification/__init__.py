"""One class for the whole image."""
