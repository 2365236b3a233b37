"""Embeddings of tiles and slides on disk."""
