"""Phantoms: generated H&E slides with planted epithelium, tumour, subclones and survival."""
