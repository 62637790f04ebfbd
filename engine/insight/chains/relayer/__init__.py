"""The relayer between two bridges: a service of its own, which knows nothing of rules, facts or intents.

Run as ``python -m engine.insight.chains.relayer FILE``.
"""
