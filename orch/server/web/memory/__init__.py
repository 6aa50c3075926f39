"""The view Memory: search, read, add and forget entries."""
