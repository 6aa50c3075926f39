"""Edits to models.yaml and routing.yaml that change only the bytes that were asked for. Knows no
command and no page."""
