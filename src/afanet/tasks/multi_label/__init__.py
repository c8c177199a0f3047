"""Several labels for one image, each on or off by itself."""
