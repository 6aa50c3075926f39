"""Whole conversations of other people's clients, in shape alone: recorded, and replayed against the
server."""
