"""Molecular traits of tiles, learned from bulk expression (PathoMCH), and maps of them."""
