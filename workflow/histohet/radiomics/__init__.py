"""Radiomics of regions in CT: engines, tables of features, and how stable these are."""
