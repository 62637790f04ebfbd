"""Lockstep: a reactive rules engine for execution coordination across networks."""

__version__ = "0.1.0"
#: Raised whenever the same journal and rule base would give other decisions than before.
SEMANTICS_VERSION = 2
