"""Watches one network: looks at its node regularly, slower while it fails."""

from __future__ import annotations

import asyncio
from typing import Final

from connectors.base import Notebook, Pace
from connectors.evm.blocks import ChainMovedError
from connectors.evm.events import compile_event
from connectors.evm.heads import WrongChainError
from connectors.evm.look import Look
from connectors.evm.node import Node, NodeError
from connectors.evm.options import EvmOptions, WatchOptions

#: A node that fails is asked again after a while that doubles up to this; so long it may be back unnoticed.
_LONGEST_WAIT_MS: Final = 10_000


class Watcher:
    """The watching half of the connector."""

    def __init__(self, name: str, options: EvmOptions, watch: WatchOptions, node: Node) -> None:
        """Compiles what is to be watched; asks nothing.

        Raises:
            ConfigError: an event does not fit its fields (C132).
        """
        self._name = name
        self._options = options
        self._watch = watch
        self._node = node
        self._mapped = [compile_event(name, index, event) for index, event in enumerate(watch.events)]

    async def run(self, notebook: Notebook, pace: Pace) -> None:
        """Watches until it is cancelled, from where the notebook says that it was.

        Raises:
            LeaseLostError: another daemon leads.
        """
        wake = asyncio.Event()
        wake.set()
        pace("watch", self._watch.every, wake.set)
        notes = await notebook.read()
        look = Look(self._name, self._options, self._watch, self._node, self._mapped, notebook, notes)
        failures = 0
        while True:
            await wake.wait()
            wake.clear()
            try:
                while await look.once():
                    pass
            except (NodeError, ChainMovedError, WrongChainError) as error:
                failures += 1
                await look.failed(error, failures)
                pace("watch", self._back_off_ms(failures), wake.set)
            else:
                if failures:
                    pace("watch", self._watch.every, wake.set)
                failures = 0

    def _back_off_ms(self, failures: int) -> int:
        return max(min(self._watch.every << min(failures, 20), _LONGEST_WAIT_MS), self._watch.every)
