"""Qdrant's HTTP API: requests and responses, a server that answers them, and qdrant-client's local
mode in its place."""
