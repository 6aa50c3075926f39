"""One run: asks the chosen models in order, falls back, and turns what they send into chunks and a
result. Does not know how its parts are constructed."""
