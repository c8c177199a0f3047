"""One file or folder for each data set."""
