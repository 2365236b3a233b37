"""Epithelium of a slide: masks from outside, and our own segmentation."""
