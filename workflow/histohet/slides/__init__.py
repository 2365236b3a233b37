"""Slides: the sheet, the reader, the scale, what was found about each."""
