"""Regions of CTs, segmented by models in nnU-Net's layout, and how such models are trained."""
