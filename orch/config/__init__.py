"""Configuration: the keys of models.yaml and routing.yaml, where the files are found, and how they
are validated and edited. Knows no provider and no model state."""
