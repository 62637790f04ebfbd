"""Settling a step: bring every rule to its truth, fire the best, again. See *A step* and *Groups, edges, firing*."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from engine.limits import MAX_CHAIN, MAX_CHAIN_DEPTH
from engine.model.kinds import Value
from engine.model.rules import ConcludeEffect, Effect, Rule, RuleBase
from tests.support.reference.effects import evaluate_effects, fact_values
from tests.support.reference.evaluate import EvaluationFailedError, Scope, evaluate, number
from tests.support.reference.ids import activation_id, canonical
from tests.support.reference.reads import reads
from tests.support.reference.records import (
    CommandMade,
    Decision,
    EffectMade,
    Ended,
    FactAsserted,
    FactConcluded,
    FactRetracted,
    Firing,
    GroupKey,
)
from tests.support.reference.rules import Match, Window, fact_key, judge, tuples_of
from tests.support.reference.state import Conclusion, Group, State, Supporter

#: Effects of ``exhausted`` are numbered from here, so that their commands have ids of their own.
EXHAUSTED_FROM = 1_000


class ChainTooLongError(Exception):
    """Firings, or conclusions, follow one another beyond a limit. Says which rules recur."""

    def __init__(self, rules: set[str]) -> None:
        super().__init__(", ".join(sorted(rules)))
        self.rules = rules


@dataclass(frozen=True)
class Limits:
    """How far chains go: firings of a step, and how deep they, or following conclusions, may cause one another."""

    firings: int = MAX_CHAIN
    depth: int = MAX_CHAIN_DEPTH


@dataclass
class Settlement:
    """One step being settled. ``flipped``: the one match whose time has come, if that is the step.

    Attributes:
        current: the group that fired last in this step.
        judged: matches judged since the last turn, by rule and text.
        followed: rule → turns since the last firing in which its conclusions changed.
        done_following: groups of suspended rules whose conclusions have changed in this step.
    """

    rulebase: RuleBase
    state: State
    cause: str
    now: int
    window: Window
    limits: Limits
    flipped: tuple[str, str] | None = None
    firings: list[Firing] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    current: Group | None = None
    judged: set[tuple[str, str]] = field(default_factory=set)
    followed: Counter[str] = field(default_factory=Counter)
    done_following: set[tuple[str, str]] = field(default_factory=set)

    def settle(self) -> None:
        """Run to the fixpoint.

        Raises:
            ChainTooLongError: it was not reached within the limit.
        """
        while True:
            self.judge_matches()
            stopped, moved = self.regroup()
            said = self.follow(moved)
            self.end_groups(stopped)
            self.say(said)
            if self.state.facts.changes:
                continue
            ready = [g for g in self.groups() if g.ready_at is not None and g.rule.name not in self.state.suspended]
            if not ready:
                return
            self.take(min(ready, key=lambda g: (-self.priority(g.rule, g.judgement.scope), g.ready_at, *g.order)))

    def groups(self) -> list[Group]:
        """The groups that hold."""
        return [g for of_rule in self.state.groups.values() for g in of_rule.values()]

    # --- truth ----------------------------------------------------------------------------------------------------

    def judge_matches(self) -> None:
        """Judge each match that is new or reads what changed; and the one whose time has come."""
        changes, self.state.facts.changes = self.state.facts.changes, []
        self.judged = set()
        for rule in self.rulebase.rules:
            kinds = {t.kind.name for t in rule.terms if hasattr(t, "kind")}
            is_new = rule.name not in self.state.matches
            bearing = [c for c in changes if c.kind in kinds]
            if not (is_new or bearing or (self.flipped is not None and self.flipped[0] == rule.name)):
                continue
            before = self.state.matches.get(rule.name, {})
            after: dict[str, Match] = {}
            for claims in tuples_of(rule, self.state.facts):
                fresh = Match(rule, tuple(fact_key(c) for c in claims))
                text = fresh.key_text
                match = after[text] = before.get(text, fresh)
                has_flipped = self.flipped == (rule.name, text)
                if match.judgement is None or has_flipped or any(reads(match, c) for c in bearing):
                    judge(match, claims, self.now, self.state.facts, self.window)
                    self.judged.add((rule.name, text))
            self.state.matches[rule.name] = after
        self.flipped = None

    def regroup(self) -> tuple[list[Group], list[Group]]:
        """Put the matches that hold into groups. Returns groups that stopped holding, and those to be looked at again.

        Those are the groups of which some match was judged, or that go on with another match than they fired with.
        """
        stopped, moved = [], []
        for rule in self.rulebase.rules:
            holding: dict[str, list[Match]] = {}
            for match in self.state.matches.get(rule.name, {}).values():
                if match.since is not None:
                    holding.setdefault(canonical(group_key(match)), []).append(match)
            groups = self.state.groups.setdefault(rule.name, {})
            stopped += [groups.pop(text) for text in list(groups) if text not in holding]
            for text, matches in holding.items():
                if text not in groups:
                    groups[text] = self.begin(rule, matches)
                group = groups[text]
                same = [m for m in matches if m.keys == group.match and group.fired_at is not None]
                chosen = (same or [self.best(rule, matches)])[0]
                if not same or any((rule.name, m.key_text) in self.judged for m in matches):
                    moved.append(group)
                self.choose(group, chosen)
        return stopped, moved

    def choose(self, group: Group, match: Match) -> None:
        """The match that the group fires with, or goes on with."""
        assert match.judgement is not None
        group.match, group.judgement = match.keys, match.judgement

    def best(self, rule: Rule, matches: list[Match]) -> Match:
        """Of the matches of a group."""

        def order(match: Match) -> tuple[int, int, str]:
            assert match.judgement is not None
            assert match.since is not None
            return -self.priority(rule, match.judgement.scope), match.since, match.key_text

        return min(matches, key=order)

    def priority(self, rule: Rule, judged: Scope) -> int:
        """Of a match, now; 0 if it cannot be told."""
        try:
            return 0 if rule.priority is None else number(rule.priority, seen_at(judged, self.now, 0))
        except EvaluationFailedError:
            return 0

    def begin(self, rule: Rule, matches: list[Match]) -> Group:
        """A group that begins to hold."""
        best = self.best(rule, matches)
        assert best.judgement is not None
        group = Group(rule, group_key(best), self.now, best.keys, best.judgement, parent=self.current)
        group.depth = 0 if self.current is None else self.current.depth + 1
        if not any(self.is_current(m) for m in matches):
            group.is_done = True
        elif rule.for_ms:
            group.timer = self.now + rule.for_ms
        else:
            group.ready_at = self.now
        return group

    def is_current(self, match: Match) -> bool:
        """The occurrences that the match holds are of this very instant; windows are states, not occurrences."""
        windows = {s.local_name for s in self.rulebase.schedules if s.open is not None}
        found = [self.state.facts.fact(kind, key[:1]) for kind, key in match.keys if kind == "schedule"]
        return all(f is not None and (f.key[0] in windows or f.observed_at == self.now) for f in found)

    def end_groups(self, stopped: list[Group]) -> None:
        """Apply ``ended`` of the groups that had fired and stopped holding; their conclusions lose their support."""
        for group in sorted(stopped, key=lambda g: g.order):
            if group.fired_at is None:
                continue
            for supporter in [s for s in self.state.supports if s[:2] == group.order]:
                self.support(supporter, None)
            effects, is_dropped = group.ended
            self.ended.append(Ended(group.rule.name, group.key, tuple(effects), is_dropped))
            if group.rule.is_live:
                self.apply(group, effects)

    # --- conclusions ----------------------------------------------------------------------------------------------

    def follow(self, moved: list[Group]) -> dict[Supporter, FactConcluded]:
        """What conclusions say on their matches as last judged, where that has changed; and what ``ended`` will do."""
        said = {}
        for group in moved:
            if group.fired_at is None:
                continue
            group.ended = self.evaluate(group, group.rule.ended, "", group.attempt)
            for c in group.conclusions:
                supporter = (*group.order, c.index)
                try:
                    values = fact_values(
                        c.effect.kind, c.effect.values, seen_at(group.judgement.scope, c.at, c.attempt)
                    )
                except EvaluationFailedError:
                    continue  # what it said last stands
                if self.state.supports[supporter].values != values and group.order not in self.done_following:
                    said[supporter] = FactConcluded(c.effect.kind.name, values)
        return said

    def say(self, said: dict[Supporter, FactConcluded]) -> None:
        """Change conclusions, if they have not been changing for too long."""
        if not said:
            return
        self.followed.update({supporter[0] for supporter in said})
        endless = {rule for rule, turns in self.followed.items() if turns > self.limits.depth}
        if endless:
            raise ChainTooLongError(endless)
        for supporter, effect in sorted(said.items(), key=lambda item: item[0]):
            rule, text, _ = supporter
            if text in self.state.groups[rule]:
                self.support(supporter, effect)
            if rule in self.state.suspended:
                self.done_following.add((rule, text))

    def support(self, supporter: Supporter, effect: FactConcluded | None) -> None:
        """Have a conclusion say this instead of what it said; None: nothing any more."""
        supports = self.state.supports
        before = supports.pop(supporter, None)
        if before is not None and (effect is None or self.fact_of(before) != self.fact_of(effect)):
            self.show(*self.fact_of(before))
        if effect is not None:
            supports[supporter] = effect
            self.show(*self.fact_of(effect))

    def fact_of(self, effect: FactConcluded) -> tuple[str, tuple[Value, ...]]:
        """Kind and key of what is concluded."""
        return effect.kind, tuple(effect.values[i] for i in self.rulebase.kinds[effect.kind].key_positions)

    def show(self, kind: str, key: tuple[Value, ...]) -> None:
        """Bring a concluded fact to what its first supporter says, or let it go with its last."""
        saying = [s for s, effect in self.state.supports.items() if self.fact_of(effect) == (kind, key)]
        if saying:
            self.state.facts.write(kind, self.state.supports[min(saying)].values, self.now)
        else:
            self.state.facts.remove(kind, key, "")

    # --- firing ---------------------------------------------------------------------------------------------------

    def take(self, group: Group) -> None:
        """Take the best ready group: it fires, or is deferred by ``throttle``, or done with by ``once``."""
        group.ready_at = None
        rule = group.rule
        effects: tuple[Effect, ...] | None = rule.then
        self.current, self.followed = group, Counter()
        if group.is_done:
            members = [m for m in self.state.matches[rule.name].values() if m.since is not None]
            if rule.per is not None:
                self.choose(group, self.best(rule, [m for m in members if group_key(m) == group.key]))
            repeat = rule.repeat
            group.is_exhausted = repeat is not None and group.attempt > repeat.times
            effects = rule.exhausted if group.is_exhausted else rule.then
        else:
            try:
                if not self.passes_once_and_throttle(group):
                    return
            except EvaluationFailedError:
                effects = None
            group.is_done, group.fired_at = True, self.now
        self.fire(group, effects)

    def passes_once_and_throttle(self, group: Group) -> bool:
        """Whether the first firing may be now; remembers it if so."""
        rule, scope = group.rule, seen_at(group.judgement.scope, self.now, 0)
        key = None if rule.once is None else evaluate(rule.once.key, scope)
        per = None if rule.throttle is None or rule.throttle.per is None else evaluate(rule.throttle.per, scope)
        if rule.once is not None:
            remembered = self.state.once.get((rule.once.name, rule.is_live, canonical(key)))
            if remembered is not None and self.now - remembered <= rule.once.keep_ms:
                group.is_done = True
                return False
        if rule.throttle is not None:
            last = self.state.throttled.get((rule.name, canonical(per)))
            if last is not None and self.now - last < rule.throttle.every_ms:
                group.timer = last + rule.throttle.every_ms
                return False
            self.state.throttled[rule.name, canonical(per)] = self.now
        if rule.once is not None:
            self.state.once[rule.once.name, rule.is_live, canonical(key)] = self.now
        return True

    def fire(self, group: Group, effects: tuple[Effect, ...] | None) -> None:
        """Evaluate all effects, then apply them in order. None: they were lost already."""
        rule = group.rule
        if len(self.firings) >= self.limits.firings or group.depth > self.limits.depth:
            raise ChainTooLongError(recurring(group))
        group.attempt += 0 if group.is_exhausted else 1
        group.timer = next_repeat(group, self.now)
        if not group.activation:
            group.activation = activation_id(rule.name, group.key, self.cause, len(self.firings))
        base = EXHAUSTED_FROM if group.is_exhausted else 0
        group.ended = self.evaluate(group, rule.ended, "", group.attempt)
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
        if rule.is_live and not is_dropped:
            self.apply(group, made, effects or (), base)

    def evaluate(
        self, group: Group, effects: tuple[Effect, ...], activation: str, attempt: int, base: int = 0
    ) -> tuple[list[EffectMade], bool]:
        """All effects, or none and True."""
        try:
            scope = seen_at(group.judgement.scope, self.now, attempt)
            return evaluate_effects(effects, scope, activation, attempt, base), False
        except EvaluationFailedError:
            return [], True

    def apply(self, group: Group, made: list[EffectMade], effects: tuple[Effect, ...] = (), base: int = 0) -> None:
        """Apply effects in order."""
        rule, facts = group.rule, self.state.facts
        for index, effect in enumerate(made):
            match effect:
                case FactAsserted():
                    facts.take(effect.kind, effect.values, rule.name, self.now, self.now)
                case FactRetracted():
                    facts.retract_all(effect.kind, effect.key, self.now)
                case FactConcluded():
                    said = effects[index]
                    assert isinstance(said, ConcludeEffect)
                    kept = tuple(c for c in group.conclusions if c.index != base + index)
                    group.conclusions = (*kept, Conclusion(said, base + index, self.now, group.attempt))
                    self.support((*group.order, base + index), effect)
                case CommandMade():
                    self.command(rule, effect, group.attempt)

    def command(self, rule: Rule, made: CommandMade, attempt: int) -> None:
        """A command is a fact too."""
        self.state.commands.append(made.command_id)
        named: dict[str, Value] = {
            "id": made.command_id,
            "connector": made.connector,
            "verb": made.verb,
            "rule": rule.name,
            "attempt": attempt,
            "status": "queued",
            "at": self.now,
        }
        fields = self.state.facts.kinds["command"].fields
        self.state.facts.write("command", tuple(named.get(f.name) for f in fields), self.now)


def group_key(match: Match) -> GroupKey:
    """The value of ``per``, or the match itself."""
    assert match.judgement is not None
    return match.fact_keys if match.rule.per is None else ("per", match.judgement.per)


def recurring(group: Group) -> set[str]:
    """The rules that stand more than once in the chain that ends with a group; if none does, the group's own."""
    counts: Counter[str] = Counter()
    link: Group | None = group
    while link is not None:
        counts[link.rule.name] += 1
        link = link.parent
    return {rule for rule, count in counts.items() if count > 1} or {group.rule.name}


def next_repeat(group: Group, now: int) -> int | None:
    """When a group that has fired is due again: at its nominal time, the first that has not passed."""
    repeat = group.rule.repeat
    assert group.fired_at is not None
    if repeat is None or group.is_exhausted:
        return None
    if group.attempt <= repeat.times or group.rule.exhausted:
        passed = (now - group.fired_at) // repeat.every_ms
        return group.fired_at + repeat.every_ms * max(group.attempt, passed + 1)
    return None


def seen_at(judged: Scope, now: int, attempt: int) -> Scope:
    """What effects see: the match as last judged, its facts as they are, with the time and the attempt of a firing."""
    bound = {
        alias: claim if alias in judged.chosen else judged.facts.fact(claim.kind, claim.key) or claim
        for alias, claim in judged.bound.items()
    }
    return Scope(now, judged.facts, bound, {**judged.names, "attempt": attempt})


def decide(
    rulebase: RuleBase,
    state: State,
    cause: str,
    now: int,
    window: Window,
    limits: Limits,
    flipped: tuple[str, str] | None = None,
) -> tuple[State, Decision]:
    """Settle a step whose own change is made already. Rules of a chain that does not end are suspended."""
    suspended: set[str] = set()
    while True:
        kept = state.copy()
        s = Settlement(rulebase, state, cause, now, window, limits, flipped)
        try:
            s.settle()
        except ChainTooLongError as error:
            state = kept
            suspended |= error.rules
            state.suspended |= error.rules
            continue
        return state, Decision(cause, now, tuple(s.firings), tuple(s.ended), tuple(sorted(suspended)))
