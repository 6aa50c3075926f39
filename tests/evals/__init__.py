"""Evaluations of quality on data outside the project; each is a command."""
