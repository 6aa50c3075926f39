"""`orch bench`: measures speed or, with --quality, grades answers."""
