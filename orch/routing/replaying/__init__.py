"""Decides recorded tasks again with other weights or models."""
