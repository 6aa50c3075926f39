"""What to pull for this machine: which models fit it, and what each would add to those that are
installed."""
