"""Ollama: its native API, what it reports about its models, and what it does with them."""
