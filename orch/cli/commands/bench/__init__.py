"""`orch bench`: speed, and with --quality graded answers."""
