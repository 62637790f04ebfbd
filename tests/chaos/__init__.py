"""Killing, pausing and tearing what must survive it."""

import pytest

pytest.register_assert_rewrite("tests.chaos.world")
