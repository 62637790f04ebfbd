from __future__ import annotations

import copy
import json
import traceback
from pathlib import Path

import pytest
from eth_account import Account

from connectors.evm.keys import Signer, load_signer
from connectors.evm.sending_options import KeyOptions
from engine.errors import ConfigError

KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
PASSPHRASE = "correct horse"  # noqa: S105 - of a key that everybody knows
WRONG = "wrong " + "battery"


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY[2:]), PASSPHRASE, kdf="pbkdf2", iterations=2)))
    return file


def stored(file: str, address: str | None = None) -> KeyOptions:
    return KeyOptions.model_validate({"keystore": file, "passphrase_env": "P", "address": address})


def load(options: KeyOptions, **environment: str) -> Signer:
    return load_signer(options, "connectors.eth", environment)


@pytest.mark.parametrize("spelled", [KEY, KEY.removeprefix("0x"), KEY.upper().replace("0X", "0x"), f" {KEY}\n"])
def test_a_key_comes_from_the_environment(spelled: str) -> None:
    assert load(KeyOptions(env="K"), K=spelled).address == ADDRESS


def test_a_key_comes_from_a_keystore(keystore: Path) -> None:
    options = stored(str(keystore), ADDRESS)
    assert load(options, P=PASSPHRASE).address == ADDRESS


@pytest.mark.parametrize(
    ("options", "environment", "code"),
    [
        (KeyOptions(env="K"), {}, "C142"),
        (KeyOptions(env="K"), {"K": ""}, "C142"),
        (KeyOptions(env="K"), {"K": KEY[:-2]}, "C143"),
        (KeyOptions(env="K"), {"K": KEY[:-1] + "x"}, "C143"),
        (KeyOptions(env="K"), {"K": "f" * 64}, "C143"),
        (KeyOptions(env="K"), {"K": "0" * 64}, "C143"),
        (KeyOptions(env="K", address="0x" + "11" * 20), {"K": KEY}, "C144"),
        (KeyOptions(env="K", address="0x12"), {"K": KEY}, "C141"),
        (stored("nowhere.json"), {"P": PASSPHRASE}, "C142"),
        (stored("nowhere.json"), {}, "C142"),
    ],
)
def test_a_wrong_key_is_an_error_that_does_not_show_it(
    options: KeyOptions, environment: dict[str, str], code: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(options, **environment)
    assert caught.value.code == code
    assert caught.value.message.startswith("connectors.eth")
    assert caught.value.hint
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY[2:40] not in shown
    assert caught.value.__cause__ is None


def test_a_wrong_passphrase_is_an_error_that_does_not_show_it(keystore: Path) -> None:
    options = stored(str(keystore))
    with pytest.raises(ConfigError, match="C143") as caught:
        load(options, P=WRONG)
    assert WRONG not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "options",
    [{}, {"env": "K", "keystore": "k.json"}, {"keystore": "k.json"}, {"env": "K", "passphrase_env": "P"}],
)
def test_a_key_has_exactly_one_place(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="env"):
        KeyOptions.model_validate(options)


def test_a_signer_shows_its_address_and_nothing_else() -> None:
    signer = load(KeyOptions(env="K"), K=KEY)
    assert repr(signer) == str(signer) == f"Signer({ADDRESS})"
    with pytest.raises(TypeError):
        copy.copy(signer)
    with pytest.raises(TypeError):
        copy.deepcopy(signer)
    assert not hasattr(signer, "__dict__")


def test_the_same_transaction_has_the_same_signature() -> None:
    signer = load(KeyOptions(env="K"), K=KEY)
    fields: dict[str, int | str] = {
        "type": 2,
        "chainId": 1,
        "nonce": 3,
        "to": ADDRESS,
        "value": 1,
        "data": "0x",
        "gas": 21_000,
        "maxFeePerGas": 2,
        "maxPriorityFeePerGas": 1,
    }
    assert signer.sign(fields) == signer.sign(dict(fields))
    assert signer.sign(fields) != signer.sign(fields | {"nonce": 4})
