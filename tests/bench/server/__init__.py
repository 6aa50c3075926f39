"""`orch serve` under load, beside the bare upstream, bare proxies and LiteLLM: `uv run python -m
tests.bench.server`."""
