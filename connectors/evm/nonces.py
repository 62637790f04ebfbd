"""Which nonce comes next, and who took one that should have been ours."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from connectors.evm.chain import Chain
from connectors.evm.notes import Book, Note

#: Transactions under way at once from one account. Nodes hold few for one sender, and drop the rest.
MAX_OPEN: Final = 64


class NoNonceError(Exception):
    """Nothing may be signed now; says why. The same command may be tried again."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Another transaction has the nonce: its hash, and its block."""

    hash: str
    block: int


async def next_nonce(chain: Chain, book: Book, chain_id: int, sender: str) -> int:
    """Above every one that was noted, and every one the node has seen from this account.

    Raises:
        NoNonceError: a nonce below it is used by nobody that we or the node know of; what is sent above it would wait.
        NodeAwayError: the node cannot be asked.
    """
    notes = [note for note in book.open.values() if (note.chain_id, note.sender) == (chain_id, sender)]
    mine = {note.nonce: note.mined is None for note in notes}
    if sum(mine.values()) >= MAX_OPEN:
        raise NoNonceError(f"{MAX_OPEN} transactions wait for a block, which is as many as may be")
    pooled = max(await asyncio.gather(chain.nonces_used(sender), chain.nonces_used(sender, with_pool=True)))
    wanted = max(book.next_nonce(chain_id, sender), pooled)
    gap = next((n for n in range(pooled, wanted) if n not in mine), None)
    if gap is not None:
        why = f"nonce {gap} was used, and the node has not seen it"
        raise NoNonceError(f"{why}: it is behind, or its chain was set back beyond what counted as final")
    return wanted


async def who_took(chain: Chain, note: Note, final: int) -> Taken | None:
    """The transaction that has the note's nonce as of a final block, found in its block.

    A node that merely lacks our receipt must not make us believe that ours was not mined: so the proof is the other
    transaction itself.

    Args:
        chain: the chain.
        note: whose nonce is used, by none of its versions as far as receipts say.
        final: number of a block that counts as final.

    Returns:
        None: as of that block the nonce is not used.

    Raises:
        NodeRefusedError: the node has not kept the states that the search needs.
        NodeAwayError: it cannot be asked, or contradicts itself.
    """
    if await chain.nonces_used(note.sender, final) <= note.nonce:
        return None
    high, step = final, 1
    low = max(min(note.versions[0].block, final) - 1, 0)
    while low > 0 and await chain.nonces_used(note.sender, low) > note.nonce:
        # Heights were set back since it was signed.
        high, low, step = low, max(low - step, 0), step * 2
    while high - low > 1:
        middle = (low + high) // 2
        if await chain.nonces_used(note.sender, middle) > note.nonce:
            high = middle
        else:
            low = middle
    found = (await chain.sent_in(high, note.sender)).get(note.nonce)
    return None if found is None else Taken(found, high)
