"""What these tests share."""

from tests.chaos.fixtures import own_world, world

__all__ = ["own_world", "world"]
