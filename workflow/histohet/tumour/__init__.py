"""Tumour attention of tiles, and the clusters that are tumour."""
