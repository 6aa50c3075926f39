"""Which model takes a task, and why: inventory, scoring and selection. Asks no model and does not
know who runs the choice."""
