"""Real coding agents in a session of 20 steps, against orch and against a llama-server alone."""
