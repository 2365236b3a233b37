"""Heterogeneity of a slide in numbers: HTI, HTA, scaled count and others."""
