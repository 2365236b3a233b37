"""Finished features of other tools: their layouts, tiles and rows."""
