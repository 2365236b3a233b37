"""CT scans and masks of a region in them: read, checked, brought to one grid for all engines."""
