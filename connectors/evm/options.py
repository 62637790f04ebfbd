"""What a deployment says of one EVM network, checked. Everything comes as text, lists and mappings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from connectors.evm.abi import AbiError, checksum_address
from engine.errors import ConfigError

_DURATION: Final = re.compile(r"([1-9]\d{0,8})(ms|s|m|h|d)\Z")
_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_WHOLE: Final = re.compile(r"(0|[1-9]\d{0,18})\Z")


def _duration_ms(value: object) -> object:
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"'{value}' is no duration; write a whole number with its unit, like 250ms, 30s, 10m")
    return int(match[1]) * _UNITS[match[2]]


def _whole(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not _WHOLE.match(value):
        raise ValueError(f"'{value}' is no whole number; write digits only")
    return int(value)


def _bool(value: object) -> object:
    if isinstance(value, bool) or value in ("true", "false"):
        return value in (True, "true")
    raise ValueError(f"'{value}' is neither true nor false")


def _address(value: str) -> str:
    try:
        return checksum_address(value).lower()
    except AbiError as error:
        raise ValueError(f"{error}; write it in quotes, all lower case or with its checksum") from error


#: Milliseconds, written ``250ms``, ``30s``, ``10m``, ``4h``, ``30d``.
DurationMs = Annotated[int, BeforeValidator(_duration_ms), Field(gt=0)]
#: ``true`` or ``false``, as text or as such.
Bool = Annotated[bool, BeforeValidator(_bool)]
#: Digits, as text or number.
Whole = Annotated[int, BeforeValidator(_whole), Field(ge=0)]
#: ``0x`` and 40 hex digits; lower case inside.
Address = Annotated[str, AfterValidator(_address)]
Name = Annotated[str, Field(min_length=1, max_length=128)]


class Strict(BaseModel):
    """A part of the configuration: what it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeOptions(Strict):
    """Where the node is.

    Attributes:
        url: http or https. May carry user and password; better: ``url_from``.
        url_from: name of the environment variable that holds the url.
        timeout: of one request.
        max_answer: longest answer that is read, in MiB; a longer one is refused, and less is asked for where it can.
    """

    url: str | None = None
    url_from: str | None = None
    timeout: DurationMs = 10_000
    max_answer: Annotated[Whole, Field(ge=1, le=1_024)] = 64

    @model_validator(mode="after")
    def _one_way(self) -> NodeOptions:
        if (self.url is None) == (self.url_from is None):
            raise ValueError("give either `url` or `url_from` (the name of an environment variable)")
        if self.url is not None:
            _check_url(self.url)
        return self

    def address(self, environment: Mapping[str, str] = os.environ) -> str:
        """The url itself.

        Raises:
            ConfigError: the environment variable is not set or holds no url (C131).
        """
        if self.url is not None:
            return self.url
        url = environment.get(self.url_from or "", "")
        try:
            _check_url(url)
        except ValueError as error:
            hint = f"set {self.url_from} to the http or https address of the node"
            raise ConfigError("C131", f"the environment variable '{self.url_from}' holds no url", hint) from error
        return url


class BalanceOptions(Strict):
    """One balance to report.

    Attributes:
        owner: id of the owner in facts; default: the address.
        address: of the owner.
        asset: id of the asset in facts.
        token: the ERC-20 contract; without it the network's own coin.
    """

    address: Address
    asset: Name
    owner: Name | None = None
    token: Address | None = None


class PoolOptions(Strict):
    """One constant-product pool (``getReserves``) to report.

    Attributes:
        venue: id of the pool in facts.
        address: of the pair.
        assets: ids of token0 and token1, in this order.
        fee: in bps.
    """

    venue: Name
    address: Address
    assets: Annotated[tuple[Name, Name], Field(description="token0, token1")]
    fee: Annotated[Whole, Field(le=10_000)] = 30


class EventOptions(Strict):
    """A contract event as a fact.

    Attributes:
        event: the signature, as in the contract: ``Deposit(address indexed from, uint256 amount, bytes32 intent)``.
        address: the contract, or several.
        kind: of the fact.
        fields: fact field → constant text, ``=event.arg``, ``=log.name``, or text with ``{…}``.
        key: the kind's key fields, where ``fields`` has a depth; default: ``id``.
        where: only logs whose argument has one of these values.
        lookup: named tables for ``=table[event.arg]``.
        confirmations: the fact is told again as its depth rises, up to this (0: once); or a list of the depths at which
            it is told.
    """

    event: Annotated[str, Field(min_length=3, max_length=2_000)]
    address: Annotated[list[Address], BeforeValidator(lambda v: [v] if isinstance(v, str) else v), Field(min_length=1)]
    kind: Name
    fields: Annotated[dict[str, str], Field(min_length=1)]
    key: list[Name] | None = None
    where: dict[str, Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]] = {}
    lookup: dict[str, dict[str, str]] = {}
    confirmations: Annotated[
        list[Annotated[Whole, Field(ge=1, le=4_096)]],
        BeforeValidator(lambda v: v if isinstance(v, list) else list(range(2, int(str(_whole(v))) + 1))),
    ] = []


class WatchOptions(Strict):
    """What is watched. An empty mapping: heads, fees and finality alone.

    Attributes:
        every: how often the node is asked.
        renew: facts whose values stay are told again so often while the node is well, so that their age says when they
            were last known to be so.
        window: blocks whose hashes are remembered; the deepest reorganisation that is told exactly.
        start: the first block whose events are read when there is no position yet: a number, or ``latest``.
        range: blocks of one ``eth_getLogs`` while catching up.
        behind_after: a head older than that makes the network ``behind``.
        gone_after: a node whose head stays lower than one it had shown lost those blocks, when it stays so that long.
    """

    every: Annotated[DurationMs, Field(ge=50)] = 1_000
    renew: DurationMs = 10_000
    window: Annotated[Whole, Field(ge=8, le=900)] = 128
    start: str = "latest"
    range: Annotated[Whole, Field(ge=1, le=10_000)] = 500
    behind_after: DurationMs = 60_000
    gone_after: DurationMs = 30_000
    balances: list[BalanceOptions] = []
    pools: list[PoolOptions] = []
    events: list[EventOptions] = []

    @model_validator(mode="after")
    def _known_start(self) -> WatchOptions:
        if self.start != "latest" and not _WHOLE.match(self.start):
            raise ValueError(f"start: '{self.start}' is neither a block number nor `latest`")
        return self


class EvmOptions(Strict):
    """One network, seen through one node.

    Attributes:
        network: its id in facts.
        chain_id: what the node must answer; one that answers otherwise is not believed.
        node: where it is.
        watch: what is reported of it; without it nothing is.
        send: what commands do on it; without it all are refused.
    """

    network: Name
    chain_id: Annotated[Whole, Field(ge=1)]
    node: NodeOptions
    watch: WatchOptions | None = None
    send: Mapping[str, Any] | None = None


def parse_options(name: str, options: Mapping[str, Any]) -> EvmOptions:
    """The options of the connector of that name.

    Raises:
        ConfigError: they are wrong (C130); every place that is, with what is wrong there.
    """
    try:
        return EvmOptions.model_validate(dict(options))
    except ValidationError as error:
        raise wrong_options("C130", name, "options", error) from error


def wrong_options(code: str, name: str, root: str, error: ValidationError) -> ConfigError:
    """One error for all that pydantic found, each with its place below ``root``."""
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        place = ".".join([root, *(str(part) for part in problem["loc"])])
        words = str(problem["msg"]).removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            words = "there is no such option"
        elif problem["type"] == "missing":
            words = "is needed"
        problems.append(f"{place}: {words}")
    message = f"connector '{name}': " + "; ".join(problems[:10])
    return ConfigError(code, message, "docs/evm.md shows every option")


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the node's url must begin with http:// or https:// and name a host")
