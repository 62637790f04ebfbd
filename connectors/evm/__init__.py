"""The connector for EVM networks: it watches one, and acts on it. One configured instance a network."""

import sys

_LIMIT = sys.getrecursionlimit()

from connectors.evm.connector import EvmConnector  # noqa: E402 - between the two readings of the limit

# A library below eth_account lifts the bound on recursion a hundredfold, for the whole process. Then an answer of a
# hundred thousand brackets would end the daemon in a segmentation fault, where it is a RecursionError.
sys.setrecursionlimit(_LIMIT)

__all__ = ["EvmConnector"]
