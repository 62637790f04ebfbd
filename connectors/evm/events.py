"""Contract events as facts: what the configuration says, compiled; and one log, read by it."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.evm.abi import AbiError, Event, Value, decode_values, encode_values
from connectors.evm.blocks import Log, Standing
from connectors.evm.options import EventOptions
from connectors.evm.templates import Scope, Template, TemplateError, plain
from engine.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Mapped:
    """One configured event, compiled.

    Attributes:
        steps: depths at which its facts are told, rising, from 1.
        key: the fields under which facts of this kind replace one another; empty: none does.
        wanted: argument → values of which it must have one.
    """

    event: Event
    addresses: frozenset[str]
    kind: str
    fields: Mapping[str, Template]
    key: tuple[str, ...]
    wanted: Mapping[str, tuple[Value, ...]]
    steps: tuple[int, ...]

    @property
    def most(self) -> int:
        """The depth from which its facts are left alone."""
        return self.steps[-1]

    def told_depth(self, depth: int) -> int:
        """The depth that is told where it really is ``depth``: the highest step reached."""
        return self.steps[max(bisect_right(self.steps, depth) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Found:
    """One log that a mapping wants.

    Attributes:
        mapped: by which it was read.
        height: of its block.
        event: the arguments.
        log: what can be said of the log itself; without ``depth``.
        identity: hash of kind and key (of the log's place, if it has none), under which a later one replaces it.
    """

    mapped: Mapped
    height: int
    event: Mapping[str, Value]
    log: Mapping[str, Value]
    identity: str

    def fact(self, depth: int) -> dict[str, Any]:
        """The fact's fields, with the block so deep.

        Raises:
            TemplateError: a field cannot be read from this log.
        """
        log = {**self.log, "depth": self.mapped.told_depth(depth)}
        return {name: template.read(self.event, log) for name, template in self.mapped.fields.items()}


def compile_event(connector: str, index: int, options: EventOptions) -> Mapped:
    """One entry of ``watch.events``.

    Raises:
        ConfigError: signature, fields or values do not fit one another (C132).
    """
    place = f"connector '{connector}': options.watch.events.{index}"
    try:
        event = Event.of(options.event)
    except AbiError as error:
        raise ConfigError("C132", f"{place}.event: {error}", "write it as the contract declares it") from error
    scope = Scope(event.parameters, options.lookup)
    fields = {}
    for name, text in options.fields.items():
        try:
            fields[name] = Template.of(text, scope)
        except TemplateError as error:
            raise ConfigError("C132", f"{place}.fields.{name}: {error}", "docs/evm.md lists what there is") from error
    if any(t.reads_depth for t in fields.values()) and not options.confirmations:
        hint = "add e.g. `confirmations: 12`, the depth up to which it is counted"
        raise ConfigError("C132", f"{place}: a field reads log.depth, but nothing says how far", hint)
    return Mapped(
        event=event,
        addresses=frozenset(options.address),
        kind=options.kind,
        fields=fields,
        key=_key(place, options, fields),
        wanted={name: _wanted(place, event, name, values) for name, values in options.where.items()},
        steps=tuple(sorted({1, *options.confirmations})),
    )


def read_log(mapped: Mapped, network: str, log: Log, block: Standing) -> Found | None:
    """A log as this mapping sees it; None if it is not one it wants.

    Args:
        mapped: whose address and topic it has.
        network: id of the network in facts.
        log: as the node gave it.
        block: on which it stands.

    Raises:
        AbiError: it has the topic but not the shape of the event.
        TemplateError: a key field cannot be read from it.
    """
    event = mapped.event.decode(log.topics, log.data)
    if any(event[name] not in values for name, values in mapped.wanted.items()):
        return None
    told = {
        "network": network,
        "address": log.address,
        "block_hash": block.hash,
        "height": block.number,
        "time": block.time_ms,
        "tx": log.tx,
        "index": log.index,
        "id": f"{network}:{log.tx}:{log.index}",
    }
    values = [str(plain(mapped.fields[name].read(event, told))) for name in mapped.key]
    identity = _identity(mapped.kind, values or [block.hash, str(log.index)])
    return Found(mapped, block.number, event, told, identity)


def _identity(kind: str, key: Sequence[str]) -> str:
    """Equal for facts of equal key, in one kind."""
    return hashlib.sha256(json.dumps([kind, *key]).encode()).hexdigest()[:16]


def _key(place: str, options: EventOptions, fields: Mapping[str, Template]) -> tuple[str, ...]:
    key = options.key if options.key is not None else (["id"] if "id" in fields else [])
    for name in key:
        if name not in fields:
            raise ConfigError("C132", f"{place}.key: there is no field '{name}'", f"there are {', '.join(fields)}")
        if fields[name].reads_depth:
            raise ConfigError("C132", f"{place}.key: '{name}' reads log.depth", "a key must not change as blocks come")
    if not key and any(t.reads_depth for t in fields.values()):
        hint = "add `key:` with the key fields of the kind, so that an older event never overwrites a newer one"
        raise ConfigError("C132", f"{place}: its depth is counted, but its key is not known", hint)
    return tuple(key)


def _wanted(place: str, event: Event, name: str, texts: Sequence[str]) -> tuple[Value, ...]:
    parameter = next((p for p in event.parameters if p.name == name), None)
    if parameter is None or not (parameter.is_word or parameter.type in ("string", "bytes")):
        known = ", ".join(p.name for p in event.parameters)
        raise ConfigError("C132", f"{place}.where: event has no plain argument '{name}'", f"it has {known}")
    if parameter.indexed and not parameter.is_word:
        raise ConfigError("C132", f"{place}.where: of '{name}' only the hash is in the log", "use another argument")
    try:
        encoded = [encode_values([parameter], [text]) for text in texts]
    except AbiError as error:
        raise ConfigError("C132", f"{place}.where.{name}: {error}", f"it is a {parameter.type}") from error
    return tuple(decode_values([parameter], "0x" + each.hex())[0] for each in encoded)
