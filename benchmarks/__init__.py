"""Measurements against what a user would otherwise pick; run `python -m benchmarks`."""
