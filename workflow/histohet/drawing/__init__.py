"""The shared looks of figures."""
