"""What a run writes while it trains: its log, loggers beside it, and batches that were not finite."""
