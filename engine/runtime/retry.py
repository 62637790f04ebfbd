"""How long to wait before trying a command again: exponential, capped, with jitter that is a function of its id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a command is tried again.

    Attributes:
        tries: tries in all, the first included; 1: never again.
        base_ms: the wait after the first try, before jitter.
        cap_ms: no wait is longer.
    """

    tries: int
    base_ms: int
    cap_ms: int

    def wait_ms(self, command_id: str, attempt: int) -> int | None:
        """How long to wait after try number ``attempt`` (from 1) failed; None: there is no further try.

        Half of the wait is fixed and up to half is jitter. The jitter is a hash of the command and the try: commands
        that failed together come back apart, and the same history gives the same waits.
        """
        if attempt >= self.tries:
            return None
        doublings = min(attempt - 1, self.cap_ms.bit_length())
        wait = min(self.cap_ms, self.base_ms << doublings)
        digest = hashlib.sha256(f"{command_id}:{attempt}".encode()).digest()
        half = wait // 2
        return wait - half + int.from_bytes(digest[:8], "big") % (half + 1)
