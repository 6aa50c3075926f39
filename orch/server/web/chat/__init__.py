"""The view Chat: conversations and their answers."""
