"""The connector for status APIs: it asks them regularly and tells what they say as facts, by a mapping file."""

from connectors.poll.connector import PollConnector

__all__ = ["PollConnector"]
