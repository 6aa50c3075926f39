"""The generated parts of README.md and README.es.md; `uv run python -m tests.readme` writes them
anew."""
