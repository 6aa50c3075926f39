"""Evaluations: quality on data that stays outside the project; each is a command of its own."""
