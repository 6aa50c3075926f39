"""A simulated machine for `tests/evals/day.py`: models with true seconds and true quality, an
Ollama that loads and evicts, days of tasks."""
