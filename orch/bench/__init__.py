"""Benchmarks: speed measurements, the suite of graded tasks, its graders, and the code sandbox."""
