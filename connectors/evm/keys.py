"""The account that signs; the only importer of eth_account.

The key comes from the environment or a keystore file, stays in one object, and is in no text that anyone can see: no
representation, no error, no log, no note.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Never

from eth_account import Account
from eth_account.signers.local import LocalAccount

from connectors.evm.abi import AbiError, checksum_address
from connectors.evm.sending_options import KeyOptions
from engine.errors import ConfigError

#: A keystore file is a few hundred bytes; nothing larger is read.
_MAX_KEYSTORE_BYTES: Final = 64 * 1024
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction.

    Attributes:
        hash: its identity on the chain, hex.
        raw: what nodes take, hex. Whoever has it can send it, and nothing else with it.
    """

    hash: str
    raw: str


class Signer:
    """Signs for one account."""

    __slots__ = ("__account", "address")

    def __init__(self, account: LocalAccount) -> None:
        self.__account = account
        #: With its checksum.
        self.address: str = str(account.address)

    def sign(self, transaction: Mapping[str, int | str]) -> Signed:
        """Signs an EIP-1559 transaction. The same transaction gives the same signature."""
        fields: dict[str, Any] = dict(transaction)
        signed = self.__account.sign_transaction(fields)
        return Signed("0x" + bytes(signed.hash).hex(), "0x" + bytes(signed.raw_transaction).hex())

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def __reduce__(self) -> Never:
        raise TypeError("a signer is not copied")


def load_signer(options: KeyOptions, place: str, environment: Mapping[str, str] = os.environ) -> Signer:
    """The account the options mean. A keystore takes about a second of computing.

    Args:
        options: where the key is.
        place: where these options stand, for errors.
        environment: of the process.

    Raises:
        ConfigError: there is no key (C142), it is wrong (C143), or it is another account's (C144).
    """
    if options.env is not None:
        key = _from_hex(_variable(options.env, f"{place}.env", environment), f"{place}.env", options.env)
    else:
        key = _from_keystore(options, place, environment)
    try:
        signer = Signer(Account.from_key(key))
    except Exception:  # whatever it says may hold the key
        raise _wrong_key(place, "the key is outside the curve's range") from None
    if options.address is not None:
        try:
            wanted = checksum_address(options.address)
        except AbiError as error:
            raise ConfigError("C141", f"{place}.address: {error}", "copy it as the wallet shows it") from None
        if wanted != signer.address:
            hint = "the wrong key is configured, or the wrong address"
            raise ConfigError("C144", f"{place}: the key is that of {signer.address}, not of {wanted}", hint)
    return signer


def _variable(name: str, place: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "")
    if not value:
        raise ConfigError("C142", f"{place}: the environment variable {name} is not set", "set it for the daemon alone")
    return value


def _from_hex(text: str, place: str, variable: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise _wrong_key(place, f"what {variable} holds is no private key") from None
    return key


def _from_keystore(options: KeyOptions, place: str, environment: Mapping[str, str]) -> bytes:
    file, variable = Path(options.keystore or ""), options.passphrase_env or ""
    passphrase = _variable(variable, f"{place}.passphrase_env", environment)
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_KEYSTORE_BYTES)
    except OSError as error:
        hint = "it must be a file that the daemon may read"
        raise ConfigError("C142", f"{place}.keystore: {file}: {error.strerror}", hint) from None
    try:
        return bytes(Account.decrypt(content.decode(), passphrase))
    except Exception:  # whatever it says may hold the passphrase
        why = f"{file} is no keystore, or the passphrase in {variable} is not its own"
        raise _wrong_key(f"{place}.keystore", why) from None


def _wrong_key(place: str, why: str) -> ConfigError:
    return ConfigError("C143", f"{place}: {why}", "a private key has 64 hex digits; a keystore is a wallet's JSON file")
