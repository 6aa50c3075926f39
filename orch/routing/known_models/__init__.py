"""What published benchmarks say of open models, and what is believed of a model from it before
anything was graded here."""
