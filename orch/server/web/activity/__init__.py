"""The view Activity: running requests, past runs and charts."""
