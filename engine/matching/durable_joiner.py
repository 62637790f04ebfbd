"""A joiner on the joining library, whose sessions only grow.

What was removed since is filtered out here, and when it outweighs what lives, the living are asserted into a second
session and the first is dropped.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final

from engine.matching.joins import JoinShape, JoinStats, Tuple
from engine.matching.network import MAX_SESSION_FACTS, JoinError, LibraryError, Ruleset, Session

#: Fewer dead than this are not worth a rebuild.
MIN_DEAD: Final = 1_024


class DurableJoiner:
    """A joiner on one ruleset. Not for more than one thread.

    Args of the constructor:
        shapes: what to join.
        name: of the ruleset; shown nowhere, need not be unique.
        min_dead: fewer removed facts than this start no rebuild.
        max_session_facts: facts one session may name; tests lower it.
    """

    def __init__(
        self,
        shapes: Sequence[JoinShape],
        name: str = "lockstep",
        min_dead: int = MIN_DEAD,
        max_session_facts: int = MAX_SESSION_FACTS,
    ) -> None:
        """Compile the shapes.

        Raises:
            ShapeLimitError: they do not fit the library.
            JoinError: the library refused them all the same (M101).
        """
        self._rules = Ruleset(shapes, name)
        self._min_dead = min_dead
        self._capacity = max_session_facts - 1
        self._facts: dict[int, tuple[str, tuple[Hashable, ...]]] = {}
        self._current: Session | None = None
        self._next: Session | None = None
        self._backlog: list[int] = []
        self._retired: list[Session] = []
        self._rebuilds = 0
        self._release = weakref.finalize(self, self._rules.release)
        self._release.atexit = False

    def add(self, handle: int, kind: str, values: Mapping[str, Hashable]) -> list[tuple[int, Tuple]]:
        """See ``Joiner.add``.

        Raises:
            ValueError: the handle is in use or negative.
            JoinError: the library failed (M101), or too many facts live (M103). The fact is not added then.
        """
        if handle in self._facts or handle < 0:
            raise ValueError(f"handle {handle} is in use or negative")
        if kind not in self._rules.projections:
            return []
        # Half of what a session can name, so that a rebuild always ends before the ids do. A fact takes about 9 KB.
        if 2 * len(self._facts) >= self._capacity:
            raise JoinError(
                "M103",
                f"{len(self._facts)} joined facts live, no more fit",
                "bound the joined kinds by ttl, `keep: while_used` or a limit",
            )
        self._make_room()
        current = self._ensure_current()
        shown = tuple(values.get(field) for field in self._rules.projections[kind].fields)
        if self._next is not None:
            # First, so that when it fails the session in use does not hold a fact that was not added.
            self._put(self._next, handle, kind, shown)
        found = self._put(current, handle, kind, shown)
        self._facts[handle] = (kind, shown)
        if not found:
            return found
        facts = self._facts
        living = [grounding for grounding in found if all(map(facts.__contains__, grounding[1]))]
        current.wasted += len(found) - len(living)
        living.sort()
        return living

    def remove(self, handle: int) -> None:
        """See ``Joiner.remove``."""
        self._facts.pop(handle, None)

    def maintain(self, keep_going: Callable[[], bool]) -> bool:
        """Rebuild, one fact at a time, when the dead outweigh the living.

        Deleting the old session is one call of the library that cannot be cut: 0.13 s for 80,000 facts.

        Raises:
            JoinError: the library failed (M101); the next call starts the rebuild anew.
        """
        if self._next is None and self._is_due():
            self._begin()
        while (self._retired or self._next is not None) and keep_going():
            if self._retired:
                self._delete(self._retired.pop())
            else:
                self._replay(1)
        return self._next is not None or bool(self._retired)

    def stats(self) -> JoinStats:
        """See ``Joiner.stats``."""
        living = len(self._facts)
        dead = len(self._current.handles) - living if self._current else 0
        sessions = (self._current is not None) + (self._next is not None) + len(self._retired)
        return JoinStats(living=living, dead=dead, rebuilds=self._rebuilds, sessions=sessions)

    def close(self) -> None:
        """See ``Joiner.close``."""
        self._facts.clear()
        self._current = self._next = None
        self._retired.clear()
        self._release()

    def _is_due(self) -> bool:
        session = self._current
        if session is None:
            return False
        living, used = len(self._facts), len(session.handles)
        # A grounding costs about a quarter of an assertion.
        is_wasteful = session.wasted > 4 * max(living, self._min_dead) and used > living
        return used - living >= max(self._min_dead, living + 1) or is_wasteful or 4 * used > 3 * self._capacity

    def _make_room(self) -> None:
        """See to it that a rebuild ends before the ids of the session do, also when nobody calls ``maintain``."""
        session = self._current
        if session is None:
            return
        if self._next is None and 4 * len(session.handles) > 3 * self._capacity:
            self._begin()
        if self._next is not None:
            left = self._capacity - len(session.handles)
            self._replay(-(-len(self._backlog) // max(1, left - 1)))

    def _ensure_current(self) -> Session:
        if self._current is None:
            session = self._start()
            for handle, (kind, values) in self._facts.items():
                self._put(session, handle, kind, values)
            self._current = session
            self._rebuilds += bool(self._facts)
        return self._current

    def _begin(self) -> None:
        self._next = self._start()
        self._backlog = list(reversed(self._facts))

    def _replay(self, count: int) -> None:
        """Assert up to ``count`` more of the living into the next session and swap when it has caught up.

        What it grounds is known already. Facts that came since the rebuild began are in both sessions.
        """
        session = self._next
        while session is not None and self._backlog and count > 0:
            handle = self._backlog.pop()
            fact = self._facts.get(handle)
            if fact is not None:
                self._put(session, handle, *fact)
                count -= 1
        if session is not None and not self._backlog:
            if self._current is not None:
                self._retired.append(self._current)
            self._current, self._next = session, None
            self._rebuilds += 1

    def _start(self) -> Session:
        try:
            return Session.start(self._rules)
        except (LibraryError, MemoryError) as error:
            raise JoinError.failed(f"failed: {error}") from error

    def _put(self, session: Session, handle: int, kind: str, values: Sequence[Hashable]) -> list[tuple[int, Tuple]]:
        try:
            return session.put(handle, kind, values)
        except MemoryError as error:
            # The library has lost a table by now; deleting the session would read it. Its memory is given up.
            self._rules.abandon(session.sid)
            self._forsake(session)
            raise JoinError.failed("is out of memory") from error
        except BaseException as error:
            # Also when interrupted: the session may be locked half-way and lack what the fact would have grounded.
            self._forsake(session)
            if isinstance(error, LibraryError):
                raise JoinError.failed(f"failed: {error}") from error
            raise

    def _forsake(self, session: Session) -> None:
        """Drop a session that failed; the next call builds another from the living."""
        if session is self._next:
            self._next = None
            self._backlog = []
        if session is self._current:
            # The next session lacks nothing of the living but its backlog, yet is dropped too: one way to recover.
            self._current = None
            if self._next is not None:
                self._delete(self._next)
                self._next = None
                self._backlog = []
        self._delete(session)

    def _delete(self, session: Session) -> None:
        try:
            self._rules.delete(session.sid)
        except LibraryError as error:
            raise JoinError.failed(f"failed to drop a session: {error}") from error
