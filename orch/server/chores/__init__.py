"""Chores: what clients ask for by themselves (titles, tags, suggestions, summaries), recognised by
rules in a data file."""
