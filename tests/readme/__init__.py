"""The documents of the repository: generates parts of them and checks them.

`uv run python -m tests.readme` regenerates those parts.
"""
