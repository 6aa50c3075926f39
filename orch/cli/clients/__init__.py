"""Programs that talk to orch: how each is configured, and how it is started."""
