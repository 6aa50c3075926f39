"""Real client programs in front of a real server: `python -m tests.clients` runs them and prints
what works; the tests here replay the shapes of what they send."""
