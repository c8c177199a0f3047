"""Who takes what from whom: shares and gates by layer, and the worth of each connection."""

LIMIT = 200  # test images that shares are read and connections are cut on, if nothing else is asked for
