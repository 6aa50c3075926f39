"""What to pull, and what of it fits: reads this machine, its Ollama and the journal."""
