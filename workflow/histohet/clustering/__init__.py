"""Clusters of tiles: their number, their labels, how certain they are."""
