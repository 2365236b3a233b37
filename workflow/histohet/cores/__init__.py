"""Cores of tissue microarrays: found, placed, named, and turned into rows of the slide sheet."""
