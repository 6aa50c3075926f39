"""Orch's tools for the Model Context Protocol, whoever carries the messages."""
