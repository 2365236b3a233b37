"""Tiles of a slide: their lattice and neighbours."""
