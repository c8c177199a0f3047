"""Who takes what from whom: shares and gates by layer, and the worth of each connection."""
