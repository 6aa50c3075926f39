"""Trains the classifier. Needs numpy, scipy and the embedder; classification needs none of them."""
