"""What earlier firings hold back: ``once`` keys and the instants of throttles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine import limits
from engine.matching.forgetting import Forgetting
from engine.matching.node import RuleNode
from engine.model.kinds import Value
from engine.model.rules import Rule

if TYPE_CHECKING:
    from engine.matching.changes import Changes

#: (name of the memory, key).
OnceKey = tuple[str, Value]

#: Names in ``Forgetting``.
_ONCE: Final = "once"
_THROTTLE: Final = "throttle"


class PastFirings:
    """Remembers which ``once`` keys fired, and when a throttled rule last fired for a value.

    Attributes:
        once: key → when it fired, ms.
    """

    def __init__(self, changes: Changes, forgetting: Forgetting) -> None:
        self.once: dict[OnceKey, int] = {}
        self._changes = changes
        self._keeps: dict[str, int] = {}
        self._forgetting = forgetting
        forgetting.add(_ONCE, self._once_until, self._forget_once)
        forgetting.add(_THROTTLE, _throttled_until, self._forget_throttle)

    def keep(self, rule: Rule) -> None:
        """Call for each rule: a memory that rules share is kept for as long as any of them needs it."""
        if rule.once is not None:
            name = once_name(rule)
            self._keeps[name] = max(self._keeps.get(name, 0), rule.once.keep_ms)

    def has_fired(self, key: OnceKey, rule: Rule, now: int) -> bool:
        """Whether the key fired no longer ago than the rule has it kept."""
        at = self.once.get(key)
        return at is not None and rule.once is not None and now - at <= rule.once.keep_ms

    def throttled_until(self, node: RuleNode, per: Value, now: int) -> int | None:
        """The first instant at which a throttled rule may fire again for that value; None: now."""
        throttle = node.rule.throttle
        last = None if throttle is None else node.throttled.get(per)
        if throttle is None or last is None or last + throttle.every_ms <= now:
            return None
        return last + throttle.every_ms

    def fired(self, node: RuleNode, once: OnceKey | None, per: Value, now: int) -> None:
        """A group fired for the first time; what its rule names is remembered and committed."""
        if once is not None:
            self.remember_once(once, now)
            self._changes.once_changed(*once, now)
        if node.rule.throttle is not None:
            self.remember_throttle(node, per, now)
            self._changes.throttle_changed(node.name, per, now)

    def remember_once(self, key: OnceKey, at: int) -> None:
        """A ``once`` key fired."""
        self.once[key] = at
        self._forgetting.note(_ONCE, key, at + self._keep_of(key[0]))

    def remember_throttle(self, node: RuleNode, per: Value, at: int) -> None:
        """A throttled rule fired for that value."""
        node.throttled[per] = at
        throttle = node.rule.throttle
        self._forgetting.note(_THROTTLE, (node, per), at + (0 if throttle is None else throttle.every_ms))

    def _keep_of(self, name: str) -> int:
        return self._keeps.get(name, limits.ONCE_KEEP_MS)  # the rule may come back

    def _once_until(self, key: OnceKey) -> int | None:
        at = self.once.get(key)
        return None if at is None else at + self._keep_of(key[0])

    def _forget_once(self, key: OnceKey) -> None:
        del self.once[key]
        self._changes.once_changed(*key, None)

    def _forget_throttle(self, where: tuple[RuleNode, Value]) -> None:
        node, per = where
        del node.throttled[per]
        self._changes.throttle_changed(node.name, per, None)


def once_name(rule: Rule) -> str:
    """The name of a rule's ``once`` memory: what a shadow rule remembers must not hold back a live one."""
    assert rule.once is not None  # noqa: S101 - callers have looked
    return rule.once.name if rule.is_live else f"shadow:{rule.once.name}"


def _throttled_until(where: tuple[RuleNode, Value]) -> int | None:
    node, per = where
    at, throttle = node.throttled.get(per), node.rule.throttle
    return None if at is None else at + (0 if throttle is None else throttle.every_ms)
