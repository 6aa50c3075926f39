"""Stand-ins for the servers orch talks to."""
