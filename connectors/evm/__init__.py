"""The connector for EVM networks: it watches one, and acts on it. One configured instance a network."""

from connectors.evm.connector import EvmConnector

__all__ = ["EvmConnector"]
