"""What a deployment says about sending on one network: the key, the fees, the calls. Texts, lists and mappings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError, model_validator

from connectors.evm.amounts import Wei
from connectors.evm.options import Bool, DurationMs, Strict, Whole, wrong_options

#: A replacement must offer at least this much more, or nodes refuse it.
MIN_BUMP_BPS: Final = 1_250
Name = Annotated[str, Field(pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$")]
Bps = Annotated[Whole, Field(ge=0, le=100_000)]


class KeyOptions(Strict):
    """Where the private key comes from; the key itself never stands in the configuration.

    Attributes:
        env: environment variable that holds it, in hex.
        keystore: file of the keystore format that wallets write.
        passphrase_env: environment variable that holds the keystore's passphrase.
        address: if given, the key must be this account's.
    """

    env: str | None = None
    keystore: str | None = None
    passphrase_env: str | None = None
    address: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> KeyOptions:
        if (self.env is None) == (self.keystore is None):
            raise ValueError("give `env` (a variable's name) or `keystore` (a file)")
        if (self.keystore is None) != (self.passphrase_env is None):
            raise ValueError("`keystore` and `passphrase_env` go together")
        return self


class FeeOptions(Strict):
    """What may be paid for gas, per unit of it.

    Attributes:
        max_fee: most, base fee and tip together. Above it nothing is sent, and nothing replaced.
        max_priority: most of the tip.
        min_priority: least of the tip, whatever the node suggests.
        bump: how much more a replacement offers, in hundredths of a percent.
    """

    max_fee: Wei
    max_priority: Wei = 2_000_000_000
    min_priority: Wei = 0
    bump: Annotated[Whole, Field(ge=MIN_BUMP_BPS, le=100_000)] = MIN_BUMP_BPS

    @model_validator(mode="after")
    def _in_order(self) -> FeeOptions:
        if not self.min_priority <= self.max_priority <= self.max_fee:
            raise ValueError("min_priority ≤ max_priority ≤ max_fee must hold")
        return self


class ContractOptions(Strict):
    """A contract that calls name.

    Attributes:
        address: where it is.
        abi: file of its JSON ABI; functions, events and errors in it may be named alone.
        errors: its own errors, as signatures, so that reverts can be read.
    """

    address: str
    abi: str | None = None
    errors: tuple[str, ...] = ()


class ToldEventOptions(Strict):
    """An event of a mined call whose values are told in the command's detail.

    Attributes:
        event: its signature, or its name in the contract's ABI.
        contract: who emits it; default: the called contract.
        where: argument of the event → what it must be: a parameter of the call, ``@sender``, ``@command`` or a literal.
        must: without such an event in its receipt the command ends as unknown, not as done.
    """

    event: str
    contract: str | None = None
    where: dict[str, Any] = Field(default_factory=dict)
    must: Bool = False


class CallOptions(Strict):
    """What a verb does: a function of a contract, or, with ``to``, a transfer of the native coin.

    Attributes:
        contract: name among ``contracts``, or an address.
        function: signature, or the name of a function in the contract's ABI.
        args: the function's parameters by name, or in their order; each says where its value comes from.
        to: receiver of the native coin.
        value: wei that go along.
        gas: gas limit; default: what the node estimates, and ``gas_margin`` more.
        errors: further errors that may come back from deeper contracts.
        events: what of the receipt is told, by the name it gets.
        returns: what the function must return, when it is tried before it is signed; a list, if it returns several.
    """

    contract: str | None = None
    function: str | None = None
    args: dict[str, Any] | list[Any] = Field(default_factory=dict)
    to: Any = None
    value: Any = None
    gas: Annotated[Whole, Field(ge=21_000, le=100_000_000)] | None = None
    errors: tuple[str, ...] = ()
    events: dict[Name, ToldEventOptions] = Field(default_factory=dict)
    returns: str | list[Any] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> CallOptions:
        if (self.contract is None) == (self.to is None):
            raise ValueError("give `contract` and `function`, or `to` and `value`")
        if (self.contract is None) != (self.function is None):
            raise ValueError("`contract` and `function` go together")
        if self.to is not None and (self.value is None or self.args or self.returns is not None):
            raise ValueError("a transfer has `to` and `value`, no `args` and no `returns`")
        return self


class SendingOptions(Strict):
    """Everything about sending.

    Attributes:
        key: whose account it is sent from.
        fees: what may be paid.
        contracts: by the name calls use.
        calls: by verb.
        confirmations: blocks, its own included, after which a receipt counts as the outcome.
        final_after: blocks after which nothing is looked after any more where a node knows no finalized block.
        stuck_after: a transaction that waits for so long while blocks come is replaced at its nonce.
        unknown_after: a transaction that no node knows for so long is told as unknown.
        gone_after: a node that shows fewer blocks than it had shown is behind; when it stays so for so long, they are
            gone, and what was in them is handed over again.
        poll: how often receipts are looked for while any are awaited.
        gas_margin: added to estimates, in hundredths of a percent.
        max_gas: no transaction may ask for more.
    """

    key: KeyOptions
    fees: FeeOptions
    contracts: dict[Name, ContractOptions] = Field(default_factory=dict)
    calls: Annotated[dict[Name, CallOptions], Field(min_length=1)]
    confirmations: Annotated[Whole, Field(ge=1, le=10_000)] = 1
    final_after: Annotated[Whole, Field(ge=1, le=100_000)] = 64
    stuck_after: DurationMs = 90_000
    unknown_after: DurationMs = 600_000
    gone_after: DurationMs = 30_000
    poll: DurationMs = 1_000
    gas_margin: Bps = 2_000
    max_gas: Annotated[Whole, Field(ge=21_000, le=100_000_000)] = 10_000_000


def parse_sending(name: str, options: Mapping[str, Any]) -> SendingOptions:
    """What stands under ``send`` in the options of the connector of that name.

    Raises:
        ConfigError: it is wrong (C141); every place that is.
    """
    try:
        return SendingOptions.model_validate(dict(options))
    except ValidationError as error:
        raise wrong_options("C141", name, "options.send", error) from error
