"""Reads the streams of model servers: bytes to events, events to one normal form. Pure: no I/O, no
HTTP."""
