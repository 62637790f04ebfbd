"""Contract events as facts: what the configuration says, compiled; and one log, read by it."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.evm.abi import AbiError, Event, Value, decode_values, encode_values
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
        height, block_hash, index: where it stands.
        event: the arguments.
        log: what can be said of the log itself; without ``depth``.
        identity: hash of kind and key (of the log's place, if it has none), under which a later one replaces it.
    """

    mapped: Mapped
    height: int
    block_hash: str
    index: int
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


def read_log(
    mapped: Mapped, network: str, raw: Mapping[str, Any], place: tuple[int, str, int], time_ms: int
) -> Found | None:
    """A log as this mapping sees it; None if it is not one it wants.

    Args:
        mapped: whose address and topic it has.
        network: id of the network in facts.
        raw: as the node gave it.
        place: height, block hash, log index.
        time_ms: of its block.

    Raises:
        AbiError: it has the topic but not the shape of the event.
        TemplateError: a key field cannot be read from it.
    """
    height, block_hash, index = place
    event = mapped.event.decode(raw["topics"], raw["data"])
    if any(event[name] not in values for name, values in mapped.wanted.items()):
        return None
    tx = str(raw["transactionHash"]).lower()
    log = {
        "network": network,
        "address": str(raw["address"]).lower(),
        "block_hash": block_hash,
        "height": height,
        "time": time_ms,
        "tx": tx,
        "index": index,
        "id": f"{network}:{tx}:{index}",
    }
    values = [str(plain(mapped.fields[name].read(event, log))) for name in mapped.key] or [block_hash, str(index)]
    identity = hashlib.sha256("\0".join([mapped.kind, *values]).encode()).hexdigest()[:16]
    return Found(mapped, height, block_hash, index, event, log, identity)


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
