"""models.yaml and routing.yaml: what may stand in them, where they are found, and how they are
read."""
