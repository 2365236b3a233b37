"""Encoders: tiles in, vectors out, behind the one interface of `base`."""
