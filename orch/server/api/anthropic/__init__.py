"""Anthropic's API: messages, their tokens, and models."""
