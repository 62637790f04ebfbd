"""Coordinations: plans driven through everything that goes wrong, and judged on the whole."""
