"""Tissue on a slide: its contours, the stain, the GeoJSON file."""
