"""Scenario tests: a pack author's own tests, on the real engine in virtual time, without a server.

``files`` finds and reads ``*.test.yaml``, ``world`` is the engine with everything around it, ``player`` plays a test in
it, ``judging`` and ``outcomes`` say what is not as expected, ``reasons`` why.
"""
