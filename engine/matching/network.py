"""The only module that knows ``durable_rules``: its rulesets and sessions, within what it can be trusted with.

The library's Rete network is exact and safe for memory only in a small subset of what it offers; this module is that
subset. Facts are asserted and never retracted; patterns are positive and joined by equality of interned integers; a
session is let go as a whole. What follows from that is in ``durable_joiner.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

import durable_rules_engine as _engine

from engine.errors import LockstepError
from engine.matching.joins import JoinShape, Tuple, joined_fields
from engine.matching.shape_limits import LANE_PATTERNS, check_limits

#: 64³ ids of three characters: under the library's 32-bit FNV-1a, its only notion of identity, all are different.
ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
#: Facts one session can name, the probe included.
MAX_SESSION_FACTS: Final = len(ALPHABET) ** 3
_ALIASES: Final = "abcdefghijklmnop"
_PROBE_KIND: Final = 0
_IDS: Final = re.compile(r'"id":"(...)"')
#: What the library raises; ``JoinError`` is made of it.
LibraryError: Final = _engine.error


class JoinError(LockstepError):
    """The joining library failed (M101, M102) or is full (M103); the joiner is as it was before the call."""

    @classmethod
    def failed(cls, what: str) -> JoinError:
        """M101: the library did what it should not.

        Args:
            what: what went wrong, as it said.
        """
        return cls("M101", f"the joining library {what}", "start the daemon again; if that does not help, report it")


@dataclass(frozen=True, slots=True)
class _Projection:
    """How a fact of one kind is shown to the library.

    Attributes:
        fields: the joined ones.
        template: JSON text with places for id, session and one integer for each field.
    """

    fields: tuple[str, ...]
    template: str


class Ruleset:
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
        except (LibraryError, MemoryError) as error:
            raise JoinError.failed(f"refused the shapes: {error}") from error

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
            raise LibraryError(f"fact not taken, code {code}: {text}")
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
class Session:
    """What was asserted under one session id. ``handles`` maps the library's fact ids to ours."""

    rules: Ruleset
    sid: str
    handles: dict[str, int] = field(default_factory=dict)
    codes: dict[Hashable, int] = field(default_factory=dict)
    #: Codes given out, also those of absent values, which are in no table and so never given out twice.
    coded: int = 0
    #: Groundings of removed facts that the library has returned.
    wasted: int = 0

    @classmethod
    def start(cls, rules: Ruleset) -> Session:
        """Open a session and send the probe through, which initialises what deleting the session frees."""
        session = cls(rules, rules.open())
        text = f'{{"id":"{_fact_id(0)}","sid":"{session.sid}","k":{_PROBE_KIND}}}'
        if len(rules.assert_fact(text)) != 1:
            raise LibraryError("the probe did not come back")
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
