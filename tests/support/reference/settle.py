"""Settling a step: bring every rule to its truth, fire the best, again. See *A step* and *Groups, edges, firing*."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.model.kinds import Value
from engine.model.rules import ConcludeEffect, Effect, Rule, RuleBase
from tests.support.reference.effects import evaluate_effects, fact_values
from tests.support.reference.evaluate import EvaluationFailedError, Scope, evaluate
from tests.support.reference.ids import activation_id, canonical
from tests.support.reference.records import (
    CommandMade,
    Decision,
    EffectMade,
    Ended,
    FactAsserted,
    FactRetracted,
    Firing,
    GroupKey,
)
from tests.support.reference.rules import Match, Window, fact_key, judge, kinds_named, tuples_of
from tests.support.reference.state import Conclusion, Group, State

#: Effects of ``exhausted`` are numbered from here, so that their commands have ids of their own.
EXHAUSTED_FROM = 1_000


class ChainTooLongError(Exception):
    """More firings in one step than the limit."""


@dataclass
class Settlement:
    """One step being settled. ``flipped``: the one match whose time has come, if that is the step.

    Attributes:
        fired: rule → firings in this step.
        followed: rule → changes of its conclusions' values in this step.
    """

    rulebase: RuleBase
    state: State
    cause: str
    now: int
    window: Window
    max_chain: int
    flipped: tuple[str, str] | None = None
    firings: list[Firing] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    fired: dict[str, int] = field(default_factory=dict)
    followed: dict[str, int] = field(default_factory=dict)

    def settle(self) -> None:
        """Run to the fixpoint.

        Raises:
            ChainTooLongError: it was not reached within the limit.
        """
        while True:
            self.judge_matches()
            self.end_groups(self.regroup())
            self.follow_conclusions()
            if self.state.facts.changed:
                continue
            ready = [g for g in self.groups() if g.ready_at is not None]
            if not ready:
                return
            self.take(min(ready, key=lambda g: (-g.judgement.priority, g.ready_at, *g.order)))

    def rules(self) -> list[Rule]:
        """The rules that take part."""
        return [r for r in self.rulebase.rules if r.name not in self.state.suspended]

    def groups(self) -> list[Group]:
        """The groups that hold, of rules that take part."""
        return [g for r in self.rules() for g in self.state.groups.get(r.name, {}).values()]

    # --- truth ----------------------------------------------------------------------------------------------------

    def judge_matches(self) -> None:
        """Judge each match of each rule that names a changed kind; and the one whose time has come."""
        changed, self.state.facts.changed = self.state.facts.changed, set()
        for rule in self.rules():
            is_new = rule.name not in self.state.matches
            touched = is_new or bool(kinds_named(rule) & changed)
            before = self.state.matches.get(rule.name, {})
            if not touched and (self.flipped is None or self.flipped[0] != rule.name):
                continue
            after: dict[str, Match] = {}
            for claims in tuples_of(rule, self.state.facts):
                fresh = Match(rule, tuple(fact_key(c) for c in claims))
                text = fresh.key_text
                after[text] = before.get(text, fresh)
                if touched or self.flipped == (rule.name, text):
                    judge(after[text], claims, self.now, self.state.facts, self.window)
            self.state.matches[rule.name] = after
        self.flipped = None

    def regroup(self) -> list[Group]:
        """Put the matches that hold into groups. Returns the groups that stopped holding."""
        stopped = []
        for rule in self.rules():
            holding: dict[str, list[Match]] = {}
            for match in self.state.matches[rule.name].values():
                if match.since is not None:
                    holding.setdefault(canonical(group_key(match)), []).append(match)
            groups = self.state.groups.setdefault(rule.name, {})
            stopped += [groups.pop(text) for text in list(groups) if text not in holding]
            for text, matches in holding.items():
                best = min(matches, key=best_first)
                assert best.judgement is not None
                if text not in groups:
                    groups[text] = self.begin(rule, best)
                groups[text].match, groups[text].judgement = best.keys, best.judgement
        return stopped

    def begin(self, rule: Rule, best: Match) -> Group:
        """A group that begins to hold."""
        assert best.judgement is not None
        group = Group(rule, group_key(best), self.now, best.keys, best.judgement)
        if rule.for_ms:
            group.timer = self.now + rule.for_ms
        else:
            group.ready_at = self.now
        return group

    def end_groups(self, stopped: list[Group]) -> None:
        """Apply ``ended`` of the groups that had fired and stopped holding; their conclusions lose their support."""
        for group in sorted(stopped, key=lambda g: g.order):
            for supporter in [s for s in self.state.supports if s[:2] == group.order]:
                del self.state.supports[supporter]
            if group.fired_at is None:
                continue
            effects, is_dropped = self.evaluate(group, group.rule.ended, "", group.attempt)
            self.ended.append(Ended(group.rule.name, group.key, tuple(effects), is_dropped))
            if group.rule.is_live:
                self.apply(group.rule, effects)

    # --- conclusions ----------------------------------------------------------------------------------------------

    def follow_conclusions(self) -> None:
        """Evaluate every conclusion on its match as last judged, and make the concluded facts what they say."""
        for group in self.groups():
            for c in group.conclusions:
                supporter = (*group.order, c.index)
                try:
                    scope = effect_scope(group, c.fired_at, c.attempt, self.state)
                    said = (c.effect.kind.name, fact_values(c.effect.kind, c.effect.values, scope))
                except EvaluationFailedError:
                    continue  # what it said last stands
                before = self.state.supports.get(supporter)
                self.state.supports[supporter] = said
                if before not in (None, said):
                    self.count(self.followed, group.rule)
        facts = self.state.facts
        standing = {}
        for supporter in sorted(self.state.supports, reverse=True):  # the first one overwrites the others
            kind, values = self.state.supports[supporter]
            key = tuple(values[i] for i in facts.kinds[kind].key_positions)
            standing[kind, key] = values
        for kind, key in [f for f in facts.claims if facts.kinds[f[0]].concluded and f not in standing]:
            facts.remove(kind, key, "")
        for (kind, _), values in standing.items():
            facts.write(kind, values, self.now)

    def count(self, counts: dict[str, int], rule: Rule) -> None:
        """Count one more link of the chain."""
        if sum(counts.values()) >= self.max_chain:
            raise ChainTooLongError
        counts[rule.name] = counts.get(rule.name, 0) + 1

    # --- firing ---------------------------------------------------------------------------------------------------

    def take(self, group: Group) -> None:
        """Take the best ready group: it fires, or is deferred by ``throttle``, or done with by ``once``."""
        group.ready_at = None
        rule = group.rule
        if not group.is_done:
            scope = effect_scope(group, self.now, 1, self.state)
            try:
                is_let = self.passes_once_and_throttle(group, scope)
            except EvaluationFailedError:
                group.is_done, group.fired_at = True, self.now
                self.fire(group, None)
                return
            if not is_let:
                return
            group.is_done, group.fired_at = True, self.now
        self.fire(group, rule.exhausted if group.is_exhausted else rule.then)

    def passes_once_and_throttle(self, group: Group, scope: Scope) -> bool:
        """Whether the first firing may be now; remembers it if so."""
        rule = group.rule
        memory = None
        if rule.once is not None:
            memory = (rule.once.name, rule.is_live, canonical(evaluate(rule.once.key, scope)))
            remembered = self.state.once.get(memory)
            if remembered is not None and self.now - remembered <= rule.once.keep_ms:
                group.is_done = True
                return False
        if rule.throttle is not None:
            value = None if rule.throttle.per is None else evaluate(rule.throttle.per, scope)
            last = self.state.throttled.get((rule.name, canonical(value)))
            if last is not None and self.now - last < rule.throttle.every_ms:
                group.timer = last + rule.throttle.every_ms
                return False
            self.state.throttled[rule.name, canonical(value)] = self.now
        if memory is not None:
            self.state.once[memory] = self.now
        return True

    def fire(self, group: Group, effects: tuple[Effect, ...] | None) -> None:
        """Evaluate all effects, then apply them in order. None: they were lost already."""
        rule = group.rule
        self.count(self.fired, rule)
        group.attempt += 0 if group.is_exhausted else 1
        group.timer = next_repeat(group)
        if not group.activation:
            group.activation = activation_id(rule.name, group.key, self.cause, len(self.firings))
        base = EXHAUSTED_FROM if group.is_exhausted else 0
        made, is_dropped = self.evaluate(group, effects or (), group.activation, group.attempt, base)
        is_dropped = is_dropped or effects is None
        self.firings.append(
            Firing(
                rule.name,
                group.key,
                group.match,
                group.attempt,
                group.activation,
                tuple(made),
                is_exhausted=group.is_exhausted,
                is_dropped=is_dropped,
            )
        )
        if is_dropped or not rule.is_live:
            return
        phase = "exhausted" if group.is_exhausted else "then"
        for index, effect in enumerate(effects or ()):
            if isinstance(effect, ConcludeEffect):
                kept = tuple(c for c in group.conclusions if c.index != (phase, index))
                group.conclusions = (*kept, Conclusion(effect, (phase, index), self.now, group.attempt))
        self.apply(rule, made, group.attempt)

    def evaluate(
        self, group: Group, effects: tuple[Effect, ...], activation: str, attempt: int, base: int = 0
    ) -> tuple[list[EffectMade], bool]:
        """All effects, or none and True."""
        try:
            scope = effect_scope(group, self.now, attempt, self.state)
            return evaluate_effects(effects, scope, activation, attempt, base), False
        except EvaluationFailedError:
            return [], True

    def apply(self, rule: Rule, made: list[EffectMade], attempt: int = 0) -> None:
        """Apply effects in order. Conclusions follow by themselves."""
        facts = self.state.facts
        for effect in made:
            match effect:
                case FactAsserted():
                    facts.take(effect.kind, effect.values, rule.name, self.now)
                case FactRetracted():
                    facts.retract_all(effect.kind, effect.key, self.now)
                case CommandMade():
                    self.state.commands.append(effect.command_id)
                    named: dict[str, Value] = {
                        "id": effect.command_id,
                        "connector": effect.connector,
                        "verb": effect.verb,
                        "rule": rule.name,
                        "attempt": attempt,
                        "status": "queued",
                        "at": self.now,
                    }
                    fields = facts.kinds["command"].fields
                    facts.write("command", tuple(named.get(f.name) for f in fields), self.now)


def group_key(match: Match) -> GroupKey:
    """The value of ``per``, or the match itself."""
    assert match.judgement is not None
    return match.fact_keys if match.rule.per is None else ("per", match.judgement.per)


def best_first(match: Match) -> tuple[int, int, str]:
    """Sorts the match to fire with first."""
    assert match.judgement is not None
    assert match.since is not None
    return -match.judgement.priority, match.since, match.key_text


def next_repeat(group: Group) -> int | None:
    """When a group that has fired is due again."""
    repeat = group.rule.repeat
    assert group.fired_at is not None
    if repeat is None or group.is_exhausted:
        return None
    if group.attempt <= repeat.times or group.rule.exhausted:
        return group.fired_at + repeat.every_ms * group.attempt
    return None


def effect_scope(group: Group, now: int, attempt: int, state: State) -> Scope:
    """What effects see: the match as last judged, the time and the attempt of the firing."""
    judged = group.judgement.scope
    return Scope(now, state.facts, dict(judged.bound), {**judged.names, "attempt": attempt})


def decide(
    rulebase: RuleBase,
    state: State,
    cause: str,
    now: int,
    window: Window,
    max_chain: int,
    flipped: tuple[str, str] | None = None,
) -> tuple[State, Decision]:
    """Settle a step whose own change is made already. Rules of a chain that does not end are suspended."""
    suspended: set[str] = set()
    while True:
        kept = state.copy()
        s = Settlement(rulebase, state, cause, now, window, max_chain, flipped)
        try:
            s.settle()
        except ChainTooLongError:
            state = kept
            counts = [s.fired, s.followed]
            often = {rule for c in counts if sum(c.values()) >= max_chain for rule, n in c.items() if n > 1}
            suspended |= often
            state.suspended |= often
            continue
        return state, Decision(cause, now, tuple(s.firings), tuple(s.ended), tuple(sorted(suspended)))
