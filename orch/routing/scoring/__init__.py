"""The score of each candidate: quality, expected seconds, and what routing.yaml says."""
