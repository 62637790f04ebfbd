"""Deciding again what was decided, from a state and the journal after it; and the file that carries both."""
