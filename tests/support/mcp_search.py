"""Searches memory by MCP until the index has caught up: on a busy machine that takes more than one
search."""

from __future__ import annotations

from typing import Any

from mcp import Client

MAX_SEARCHES = 20
"""Each waits up to ten seconds for the index."""


async def search(client: Client, query: str) -> list[Any]:
    """The hits."""
    for _ in range(MAX_SEARCHES):
        found = await client.call_tool("memory_search", {"query": query})
        if found.structured_content["hits"] or not found.structured_content["notes"]:
            break
    hits: list[Any] = found.structured_content["hits"]
    return hits
