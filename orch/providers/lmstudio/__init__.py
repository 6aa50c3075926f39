"""LM Studio: its own API for lists, loads and downloads."""
