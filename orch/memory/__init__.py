"""Finds what was said before: an index built from the journal, searched by words and by meaning."""
