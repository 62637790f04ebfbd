"""Durable state: the store's contract (``abc``), the store over Redis, and the embedded server."""
