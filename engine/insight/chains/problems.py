"""What can go wrong with chains on this machine; its codes are X150 to X157."""

from __future__ import annotations

from engine.errors import LockstepError


class ChainError(LockstepError):
    """A node, a contract or the relayer between two chains does not do what it must.

    X150 the extra is not installed; X151 no npm; X152 no anvil; X153 anvil ended; X154 a node refuses or is away;
    X155 a transaction failed or was not mined; X156 a contract does not compile; X157 the relayer's files are wrong.
    """
