"""`orch serve` under load, compared with the bare upstream, bare proxies and LiteLLM: `uv run
python -m tests.bench.server`."""
