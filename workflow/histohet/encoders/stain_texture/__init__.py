"""An encoder without weights: colour, texture and nuclei."""
