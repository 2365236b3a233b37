"""Figures of the survival statistics."""
