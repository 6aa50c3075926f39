"""Which model takes a task, and why: inventory, scoring and selection. Asks no model and does not
know what runs the chosen model."""
