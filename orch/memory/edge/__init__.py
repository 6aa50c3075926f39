"""The files and types of Qdrant's embedded engine, which `edge_store` uses. Knows nothing of the
journal."""
