"""The view Settings: the weights of the score and a replay under other weights."""
