"""Trains the learned part of the classifier; needs numpy, scipy and the embedder, none of which
deciding needs."""
