"""The memory of this machine for models: read, placed and told."""
