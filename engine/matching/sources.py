"""What the engine knows of each reporter, as ``source`` facts: told when it changes, not per entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import limits
from engine.matching.changes import Changes, dumps
from engine.matching.timeline import ENGINE, Timeline
from engine.model.journal import ZERO_ID
from engine.model.kinds import Value

if TYPE_CHECKING:
    from engine.matching.effects import Effects

_MINUTE_MS = 60_000


class Source:
    """Counts of one reporter; ``minute`` and ``rejected_in_minute`` tell whether it is noisy.

    ``changed_at`` and ``position`` are of the step that last changed what the fact says: the fact carries those and
    not the moment at which a batch happened to end, so that it does not depend on how the journal was cut.
    """

    __slots__ = (
        "changed_at",
        "is_dirty",
        "last_seen",
        "minute",
        "name",
        "position",
        "rejected",
        "rejected_in_minute",
        "skewed",
        "state",
        "superseded",
        "watched_until",
    )

    def __init__(self, name: str, last_seen: int) -> None:
        self.name = name
        self.last_seen = last_seen
        self.changed_at = last_seen
        self.position = ZERO_ID
        self.state = "ok"
        self.skewed = 0
        self.superseded = 0
        self.rejected = 0
        self.minute = 0
        self.rejected_in_minute = 0
        self.watched_until = 0
        self.is_dirty = False


class Sources:
    """All reporters. When rules watch them, their facts follow every entry; else they are brought up at each commit."""

    def __init__(self, effects: Effects, timeline: Timeline, changes: Changes) -> None:
        self.effects = effects
        self.timeline = timeline
        self.changes = changes
        self.all: dict[str, Source] = {}
        self.dirty: list[Source] = []
        self.is_watched = False

    def seen(self, name: str, now: int, *, is_good: bool) -> Source | None:
        """An entry of this source came; None if there are too many sources to keep them apart."""
        source = self.all.get(name)
        if source is not None and source.is_dirty and source.watched_until and source.state == "ok":
            if source.last_seen != now:
                source.last_seen = source.changed_at = now
                source.position = self.effects.position
            return source
        if source is None:
            if len(self.all) >= limits.MAX_SOURCES:
                return None
            source = self.all[name] = Source(name, now)
            self._changed(source, now)
        if source.last_seen != now:
            source.last_seen = now
            self._changed(source, now)
        if source.state != "ok" and is_good and (source.state != "noisy" or source.minute != now // _MINUTE_MS):
            source.state = "ok"
            self._changed(source, now)
        if not source.watched_until:
            source.watched_until = now + limits.SOURCE_SILENT_MS + 1
            self.timeline.push(source.watched_until, ENGINE, "source", name, source)
        if not source.is_dirty:
            source.is_dirty = True
            self.dirty.append(source)
        return source

    def _changed(self, source: Source, now: int) -> None:
        source.changed_at = now
        source.position = self.effects.position

    def superseded(self, name: str, now: int) -> None:
        """An entry of this source came too late to change anything."""
        source = self.seen(name, now, is_good=True)
        if source is not None:
            source.superseded += 1
            self._changed(source, now)

    def rejected(self, name: str, now: int, code: str) -> None:
        """An entry of this source was refused."""
        source = self.seen(name, now, is_good=False)
        if source is None:
            return
        self._changed(source, now)
        if code == "F303":
            source.skewed += 1
            source.state = "skewed"
            return
        source.rejected += 1
        minute = now // _MINUTE_MS
        source.rejected_in_minute = source.rejected_in_minute + 1 if source.minute == minute else 1
        source.minute = minute
        if source.rejected_in_minute >= limits.NOISY_REJECTIONS:
            source.state = "noisy"
        self.changes.active[dumps(["n", name])] = dumps([source.minute, source.rejected_in_minute])

    def due(self, source: Source, at: int) -> bool:
        """The instant at which a source would be silent; False if it was heard of since."""
        if source.watched_until != at:
            return False
        silent_at = source.last_seen + limits.SOURCE_SILENT_MS + 1
        if silent_at > at:
            source.watched_until = silent_at
            self.timeline.push(silent_at, ENGINE, "source", source.name, source)
            return False
        source.watched_until = 0
        if source.state == "silent":
            return False  # what it said since was refused, which does not make it heard of
        source.state = "silent"
        self._changed(source, at)
        if not source.is_dirty:
            source.is_dirty = True
            self.dirty.append(source)
        return True

    def show(self) -> None:
        """Bring the facts up to what is known."""
        for source in self.dirty:
            source.is_dirty = False
            row: dict[str, Value] = {
                "id": source.name,
                "last_seen": source.last_seen,
                "state": source.state,
                "skewed": source.skewed,
                "superseded": source.superseded,
                "rejected": source.rejected,
            }
            self.effects.put_engine_fact("source", row, source.changed_at, source.position)
        self.dirty.clear()
