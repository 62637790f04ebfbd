"""The only module that knows ``durable_rules``: a joiner that stays within what the library can be trusted with.

The library's Rete network is exact and safe for memory only in a small subset of what it offers; this module is that
subset. Facts are asserted and never retracted; patterns are positive and joined by equality of interned integers; a
session is let go as a whole. What was removed since is filtered out here, and when it outweighs what lives, the
living are asserted into a second session and the first is dropped.
"""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import durable_rules_engine as _engine

from engine.errors import LockstepError
from engine.matching.joins import JoinShape, JoinStats, Tuple, joined_fields
from engine.matching.shape_limits import LANE_PATTERNS, check_limits

#: 64³ ids of three characters: under the library's 32-bit FNV-1a, its only notion of identity, all are different.
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
#: Facts one session can name, the probe included.
MAX_SESSION_FACTS: Final = len(ALPHABET) ** 3
#: Living facts; half of what a session can name, so that a rebuild always ends before the ids do. About 9 KB each.
MAX_LIVING: Final = MAX_SESSION_FACTS // 2
#: Fewer dead than this are not worth a rebuild.
MIN_DEAD: Final = 1_024
_ALIASES: Final = "abcdefghijklmnop"
_PROBE_KIND: Final = 0
_IDS: Final = re.compile(r'"id":"(...)"')


class JoinError(LockstepError):
    """The joining library failed (M101, M102) or is full (M103); the joiner is as it was before the call."""


@dataclass(frozen=True, slots=True)
class _Projection:
    """How a fact of one kind is shown to the library.

    Attributes:
        fields: the joined ones.
        template: JSON text with places for id, session and one integer for each field.
    """

    fields: tuple[str, ...]
    template: str


class _Ruleset:
    """One ruleset of the library and the sessions in it.

    A ruleset is never deleted: that has killed programs. What it costs stays, about 16 KB a small rule.
    """

    def __init__(self, shapes: Sequence[JoinShape], name: str) -> None:
        check_limits(shapes)
        fields = joined_fields(shapes)
        codes = {kind: number for number, kind in enumerate(fields, start=_PROBE_KIND + 1)}
        places = {kind: {name: f"f{n}" for n, name in enumerate(names)} for kind, names in fields.items()}
        used = dict.fromkeys(fields, 0)
        rules: dict[str, object] = {"probe": {"all": [{"a": {"k": _PROBE_KIND}}], "count": 1}}
        total = {kind: sum(p.kind == kind for shape in shapes for p in shape.patterns) for kind in fields}
        for number, shape in enumerate(shapes):
            patterns: list[dict[str, object]] = []
            for position, pattern in enumerate(shape.patterns):
                terms: list[dict[str, object]] = [{"k": codes[pattern.kind]}]
                if total[pattern.kind] > LANE_PATTERNS:
                    terms.append({f"l{used[pattern.kind] // LANE_PATTERNS}": 1})
                used[pattern.kind] += 1
                terms += [
                    {
                        places[pattern.kind][join.field]: {
                            _ALIASES[join.other]: places[shape.patterns[join.other].kind][join.other_field]
                        }
                    }
                    for join in pattern.joins
                ]
                if position > 0:
                    # Without a last term that always holds, the library reads past its terms when the last one fails.
                    terms.append({"u": {_ALIASES[0]: "u"}})
                patterns.append({_ALIASES[position]: {"$and": terms}})
            rules[str(number)] = {"all": patterns, "count": 1}
        self.projections = {
            kind: _Projection(names, _template(codes[kind], len(names), total[kind])) for kind, names in fields.items()
        }
        self._sids = dict.fromkeys(ALPHABET)
        self._live: list[str] = []
        try:
            self._handle: int = _engine.create_ruleset(name, json.dumps(rules))
        except (_engine.error, MemoryError) as error:
            raise JoinError("M101", f"the joining library refused the shapes: {error}") from error

    def open(self) -> str:
        """Take a session id that is not in use and is not the last one used."""
        if not self._sids:
            raise JoinError("M102", "every session of the joining library has failed", "restart the daemon")
        sid = next(iter(self._sids))
        del self._sids[sid]
        return sid

    def assert_fact(self, text: str) -> list[str]:
        """Assert one fact and drain all actions it caused; returns their texts.

        Nothing between the first and the last call may raise: a drain that stops half-way locks its session for 30
        seconds. So texts are only collected here, and whatever does raise costs the session.
        """
        texts: list[str] = []
        code, state = _engine.assert_fact(self._handle, text)
        if code != 0:
            raise _engine.error(f"fact not taken, code {code}: {text}")
        started = _engine.start_action_for_state(self._handle, state)
        action = started[1] if started else None
        while action is not None:
            texts.append(action)
            action = _engine.complete_and_start_action(self._handle, state)
        return texts

    def opened(self, sid: str) -> None:
        """Note that the session's probe has been through, so that the library can delete it."""
        self._live.append(sid)

    def delete(self, sid: str) -> None:
        """Let a session go. One whose probe never came through is left alone: deleting it would crash."""
        if sid in self._live:
            self._live.remove(sid)
            _engine.delete_state(self._handle, sid)
            self._sids[sid] = None

    def abandon(self, sid: str) -> None:
        """Never touch the session again."""
        if sid in self._live:
            self._live.remove(sid)

    def release(self) -> None:
        """Let all sessions go."""
        for sid in list(self._live):
            self.delete(sid)


def _template(kind: int, fields: int, patterns: int) -> str:
    lanes = -(-patterns // LANE_PATTERNS) if patterns > LANE_PATTERNS else 0
    parts = ['{"id":"%s","sid":"%s"', f'"k":{kind}', '"u":1']
    parts += [f'"l{lane}":1' for lane in range(lanes)]
    parts += [f'"f{place}":%d' for place in range(fields)]
    return ",".join(parts) + "}"


@dataclass(slots=True)
class _Session:
    """What was asserted under one session id. ``handles`` maps the library's fact ids to ours."""

    rules: _Ruleset
    sid: str
    handles: dict[str, int] = field(default_factory=dict)
    codes: dict[Hashable, int] = field(default_factory=dict)
    #: Codes given out, also those of absent values, which are in no table and so never given out twice.
    coded: int = 0
    #: Groundings of removed facts that the library has returned.
    wasted: int = 0

    @classmethod
    def start(cls, rules: _Ruleset) -> _Session:
        """Open a session and send the probe through, which initialises what deleting the session frees."""
        session = cls(rules, rules.open())
        text = f'{{"id":"{_fact_id(0)}","sid":"{session.sid}","k":{_PROBE_KIND}}}'
        if len(rules.assert_fact(text)) != 1:
            raise _engine.error("the probe did not come back")
        rules.opened(session.sid)
        return session

    def put(self, handle: int, kind: str, values: Sequence[Hashable]) -> list[tuple[int, Tuple]]:
        """Assert a projection, its values in field order; returns all groundings, those of removed facts too."""
        name = _fact_id(len(self.handles) + 1)
        template = self.rules.projections[kind].template
        self.handles[name] = handle
        texts = self.rules.assert_fact(template % (name, self.sid, *map(self._code, values)))
        handles = self.handles
        # {"7":{"a":{"id":"00A",…},"b":{"id":"00B",…}}}: the facts come in the order of the patterns.
        return [
            (int(text[2 : text.index('"', 2)]), tuple([handles[name] for name in _IDS.findall(text)])) for text in texts
        ]

    def _code(self, value: Hashable) -> int:
        code = None if value is None else self.codes.get(value)
        if code is None:
            self.coded += 1
            code = self.coded
            if value is not None:
                self.codes[value] = code
        return code


def _fact_id(number: int) -> str:
    return ALPHABET[number >> 12] + ALPHABET[number >> 6 & 63] + ALPHABET[number & 63]


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
        self._rules = _Ruleset(shapes, name)
        self._min_dead = min_dead
        self._capacity = max_session_facts - 1
        self._facts: dict[int, tuple[str, tuple[Hashable, ...]]] = {}
        self._current: _Session | None = None
        self._next: _Session | None = None
        self._backlog: list[int] = []
        self._retired: list[_Session] = []
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

    def _ensure_current(self) -> _Session:
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

    def _start(self) -> _Session:
        try:
            return _Session.start(self._rules)
        except (_engine.error, MemoryError) as error:
            raise JoinError("M101", f"the joining library failed: {error}") from error

    def _put(self, session: _Session, handle: int, kind: str, values: Sequence[Hashable]) -> list[tuple[int, Tuple]]:
        try:
            return session.put(handle, kind, values)
        except MemoryError as error:
            # The library has lost a table by now; deleting the session would read it. Its memory is given up.
            self._rules.abandon(session.sid)
            self._forsake(session)
            raise JoinError("M101", "the joining library is out of memory") from error
        except BaseException as error:
            # Also when interrupted: the session may be locked half-way and lack what the fact would have grounded.
            self._forsake(session)
            if isinstance(error, _engine.error):
                raise JoinError("M101", f"the joining library failed: {error}") from error
            raise

    def _forsake(self, session: _Session) -> None:
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

    def _delete(self, session: _Session) -> None:
        try:
            self._rules.delete(session.sid)
        except _engine.error as error:
            raise JoinError("M101", f"the joining library failed to drop a session: {error}") from error
