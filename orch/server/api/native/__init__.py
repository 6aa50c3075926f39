"""orch's own API under `/orch`."""
