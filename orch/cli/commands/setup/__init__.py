"""`orch setup`: surveys the machine, offers models and installs them."""
