"""Which sent commands nobody has reported on, and since when. No I/O; the time is an argument."""

from __future__ import annotations

import heapq

#: Names of commands that have ended, beyond as many as are watched, before they are cleared away.
SLACK = 64


class ReportWatch:
    """Sent commands that wait for a report. Bounded by the commands that are open."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        """Commands watched."""
        return len(self._due)

    def sent(self, command_id: str, due_ms: int) -> None:
        """It was sent; a report is due by then (server time)."""
        self._due[command_id] = due_ms
        heapq.heappush(self._heap, (due_ms, command_id))
        if len(self._heap) > 2 * len(self._due) + SLACK:
            # Commands end long before their report is due: their names must not pile up.
            self._heap = [(due_ms, command_id) for command_id, due_ms in self._due.items()]
            heapq.heapify(self._heap)

    def ended(self, command_id: str) -> None:
        """It has ended; nothing more is expected."""
        self._due.pop(command_id, None)

    def overdue(self, now_ms: int) -> list[str]:
        """Takes out what was due before ``now_ms`` (a report at exactly its time is in time), oldest first."""
        late = []
        while self._heap and self._heap[0][0] < now_ms:
            due_ms, command_id = heapq.heappop(self._heap)
            if self._due.get(command_id) == due_ms:
                del self._due[command_id]
                late.append(command_id)
        return late
