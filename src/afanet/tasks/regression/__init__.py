"""One number for the whole image."""
