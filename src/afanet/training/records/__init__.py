"""What a run writes while it trains: its log, loggers beside it, and batches whose loss was not finite."""
