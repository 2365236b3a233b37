"""Survival statistics: curves, hazard ratios, permutations, variants compared."""
