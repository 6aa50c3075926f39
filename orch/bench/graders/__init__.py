"""Graders: pure functions, each of which grades an answer by one form of check."""
