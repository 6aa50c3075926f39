"""What `orch setup` is made of: what would serve on this machine, and the download of a model
file."""
