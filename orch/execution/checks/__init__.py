"""Checks of finished answers."""
