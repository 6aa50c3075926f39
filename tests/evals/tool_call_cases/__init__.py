"""Recorded forms of tool calls, made here after public reports, and what orch makes of them."""
