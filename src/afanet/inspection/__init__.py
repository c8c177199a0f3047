"""Who takes what from whom: shares and gates by layer, and the worth of each connection."""

LIMIT = 200  # test images on which shares are read and connections cut, by default
