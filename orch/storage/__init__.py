"""All SQL: the journal, feedback, timings and cached answers in SQLite files. Knows neither models
nor faces."""
