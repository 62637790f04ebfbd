"""A real daemon, asked why: one coordination that ended, one that waits, and a rule that does not fire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.cli.main import app
from engine.errors import LockstepError
from tests.integration.cli.conftest import PACK as GAS
from tests.integration.cli.program import RunningDaemon
from tests.unit.insight.shop import PACK as SHOP


class Asked:
    """A running daemon and the program, in this process, beside it."""

    def __init__(self, directory: Path) -> None:
        (directory / "packs").mkdir()
        (directory / "packs" / "gas.yaml").write_text(GAS)
        (directory / "packs" / "shop.yaml").write_text(SHOP)
        self.data = directory / "data"
        self.daemon = RunningDaemon(directory, "--packs", "packs", "--data", self.data)
        self.daemon.wait_for("ready")

    def ask(self, *words: str) -> Result:
        """Run a command of the program."""
        return CliRunner().invoke(app, [*words, "--data", str(self.data)])

    def told(self, *words: str) -> Any:  # noqa: ANN401 - JSON
        """What a command prints as JSON."""
        result = self.ask(*words, "--json")
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.stdout)

    def say(self, kind: str, source: str = "test", **values: object) -> None:
        """Inject a fact, and wait until it is applied or refused."""
        words = [f"{name}={value}" for name, value in values.items()]
        result = self.ask("inject", kind, *words, "--source", source)
        assert result.exit_code == 0, (result.output, result.exception)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    asked = Asked(tmp_path_factory.mktemp("why"))
    try:
        by = asked.told("status")["cursor"]["now"] + 3_600_000
        asked.say("stock", place="shelf", left=9)
        asked.say("stock", place="van", left=9)
        for name in ("O1", "O2"):
            asked.say("order", id=name, amount="100", asset="USD", by=by)
        asked.say("moved", "bank", id="m1", order="O1", amount="99", asset="USD", to="till")
        asked.say("network", "rpc", id="base", base_fee="45000000000")
        asked.say("intent", "app", id="I1", network="base", state="open")
        yield asked
    finally:
        asked.daemon.stop()


def test_coordinations_are_listed_and_filtered(shop: Asked) -> None:
    told = shop.told("coordinations")
    assert [(each["coordination"], each["plan"], each["verdict"]) for each in told] == [
        ("O2", "shop.buy", None),
        ("O1", "shop.buy", None),
    ]
    assert [step["state"] for step in told[1]["steps"]] == ["confirmed", "commanded"]
    assert told[1]["ledger"] == {"till": {"USD": "99"}}
    assert shop.told("coordinations", "--ended") == []
    assert len(shop.told("coordinations", "--open", "--plan", "buy", "--limit", "1")) == 1
    assert shop.told("coordinations", "--verdict", "refunded") == []
    assert "O1" in shop.ask("coordinations").stdout


def test_one_coordination_is_told_as_a_timeline(shop: Asked) -> None:
    (told,) = shop.told("coordinations", "O1")
    assert {said["event"] for said in told["timeline"]} >= {"started", "commanded", "step"}
    out = shop.ask("coordinations", "O1").stdout
    for word in ("what happened", "confirmed, on moved m1 of bank", "bank.pay", "ledger", "till"):
        assert word in out


def test_a_command_of_a_plan_is_explained_to_the_senders(shop: Asked) -> None:
    ship = next(each["id"] for each in shop.told("commands") if each["verb"] == "ship")
    (told,) = shop.told("explain", ship)
    assert told["command"]["verb"] == "ship"
    after = {link["label"]: link["reason"] for link in told["because"]}
    assert after["after pay"]["facts"][0]["source"] == "bank"
    out = shop.ask("explain", ship).stdout
    for word in ("post.ship", "after pay", "moved m1", "said by bank", "bank.pay"):
        assert word in out
    assert "post.ship" in shop.ask("explain", "O1/ship").stdout
    assert "shop.buy O1 began" in shop.ask("explain", "O1").stdout
    assert "said by bank" in shop.ask("explain", "moved", "m1").stdout
    assert shop.told("explain", 'moved:{"id": "m1"}')[0]["source"] == "bank"


def test_a_rule_and_a_step_say_what_they_lack(shop: Asked) -> None:
    (candidate,) = shop.told("why-not", "gas.go-when-cheap", "i=I1")["candidates"]
    term = candidate["terms"][candidate["first"]]
    assert term["line"] == 18
    assert term["conditions"][-1]["reads"][0]["value"] == "45000000000"
    out = shop.ask("why-not", "go-when-cheap").stdout
    for word in ("gas.yaml:18", "n.base_fee <= gwei(30)", "gwei(45)", "says rpc"):
        assert word in out
    out = shop.ask("why-not", "buy.pay", "o=O2").stdout
    assert "free(s.left) >= 5" in out
    assert "is false by 1" in out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("coordinations", "O9"), "U150"),
        (("explain", "nobody"), "U152"),
        (("explain", "O1/sip"), "U154"),
        (("explain", "moved", "m9"), "U157"),
        (("why-not", "nothing"), "U163"),
        (("why-not", "buy.pay", "x=1"), "U161"),
    ],
)
def test_what_is_not_known_is_an_error_with_a_code_and_a_hint(shop: Asked, words: tuple[str, ...], code: str) -> None:
    error = shop.ask(*words).exception
    assert isinstance(error, LockstepError)
    assert (error.code, bool(error.hint)) == (code, True)
