"""Regions of CTs found by a network of nnU-Net v2: its files read safely, its masks on disk."""
