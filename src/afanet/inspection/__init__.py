"""Who takes what from whom: shares and gates by layer, and what each connection is worth."""
