"""Frozen domain types shared by every layer. No I/O, no clock, no third-party names."""
