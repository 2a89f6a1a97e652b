"""A run's folder: what is written while it trains, and whose it is."""
