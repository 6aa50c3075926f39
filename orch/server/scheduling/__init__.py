"""Admission to providers: queues, slots and resident models."""
