"""Coordinations, read back: which there are, how each went, and where its value is."""
