"""The tools at `/mcp` of a running server."""
