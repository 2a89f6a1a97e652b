"""A run's folder: what is written while it trains, and whose it is."""

CONFIG = "config.json"
METRICS = "metrics.csv"
CHECKPOINT = "checkpoint.pt"
RESULT = "result.json"
RANGE_TEST = "range_test.json"
COMPARISON = "comparison.json"  # of several range tests, in the folder that has theirs
