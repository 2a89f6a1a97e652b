"""The project beside its peers; ``python -m benchmarks`` writes results/benchmarks.md."""
