"""What published benchmarks say of open models, and the expected quality of a model before any
grade of this machine. Knows no providers."""
