"""Benchmarks, run by `uv run python -m tests.bench`: ratios and medians of one run on one machine.
No test asserts them."""
