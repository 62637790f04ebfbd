"""What a node shows in one round: asked for once, and only as far as somebody wants to know it."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.evm.chain import Chain, Head
from connectors.evm.notes import Mined


class View:
    """One look at a chain.

    Attributes:
        head: the latest block.
    """

    def __init__(self, chain: Chain, head: Head, final_after: int) -> None:
        """Asks nothing yet.

        Args:
            chain: the chain.
            head: its latest block.
            final_after: blocks after which one counts as final, where the node knows nothing of finality.
        """
        self.head = head
        self._chain = chain
        self._final_after = final_after
        self._final: int | None = None
        self._used: dict[str, int] = {}
        self._hashes: dict[int, str | None] = {}

    async def used(self, account: str) -> int:
        """How many nonces of the account the chain has used."""
        if account not in self._used:
            self._used[account] = await self._chain.nonces_used(account)
        return self._used[account]

    async def final(self) -> int:
        """Number of the latest block that counts as final; below 0: none does."""
        if self._final is None:
            known = await self._chain.finalized()
            self._final = self.head.number - self._final_after if known is None else known
        return self._final

    async def look_at(self, blocks: Iterable[int]) -> None:
        """Asks for these blocks together, since ``has`` will be asked of them."""
        self._hashes |= await self._chain.block_hashes(sorted(set(blocks) - self._hashes.keys()))

    async def has(self, mined: Mined) -> bool:
        """That block is on the chain."""
        if mined.block not in self._hashes:
            self._hashes[mined.block] = await self._chain.block_hash(mined.block)
        return self._hashes[mined.block] == mined.block_hash
