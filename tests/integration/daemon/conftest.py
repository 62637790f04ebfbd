"""What these tests share."""

from tests.chaos.fixtures import own_world, replayed, world

__all__ = ["own_world", "replayed", "world"]
