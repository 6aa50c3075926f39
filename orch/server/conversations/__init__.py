"""Conversations of clients: which requests belong to one session, and which model answered it."""
