"""The demonstration's configuration is one that the daemon takes, for any ground."""

from __future__ import annotations

from pathlib import Path

from connectors.evm.calls import compile_calls
from connectors.evm.events import compile_event
from connectors.evm.options import parse_options
from connectors.evm.sending_options import parse_sending
from engine.insight.chains.configuration import KEY_VARIABLE, configuration
from engine.insight.chains.ground import Ground, Side
from engine.packs.bundle import load_paths
from engine.settings import load_settings

ROOT = Path(__file__).parents[3]


def side(network: str, first: int) -> Side:
    usd, eth, pool, bridge = (f"0x{number:040x}" for number in range(first, first + 4))
    return Side(network, first, f"http://127.0.0.1:{first}", usd, eth, pool, bridge)


GROUND = Ground(side("home", 1001), side("far", 2001), "0x" + "ab" * 20, "0x" + "cd" * 20, "0x" + "ef" * 20, 5, 30)


def test_every_command_of_the_pack_is_a_call_and_every_event_a_fact_of_its_kinds(tmp_path: Path) -> None:
    file = tmp_path / "lockstep.yaml"
    file.write_text(configuration(GROUND, 4), encoding="utf-8")
    settings = load_settings(file)
    loaded = load_paths([ROOT / "rules" / "chains"])
    assert loaded.rulebase is not None
    kinds = loaded.rulebase.kinds
    calls = set()
    for name, connector in settings.connectors.items():
        options = parse_options(name, connector.options)
        assert options.watch is not None
        assert options.send is not None
        sending = parse_sending(name, options.send)
        assert sending.key.env == KEY_VARIABLE
        calls |= {f"{name}.{verb}" for verb in compile_calls(sending, name)}
        for number, event in enumerate(options.watch.events):
            assert event.fields.keys() <= {field.name for field in kinds[event.kind].fields}
            compile_event(name, number, event)
    assert calls == {"home.bridge", "far.bridge_back", "far.swap"}


def test_nothing_of_the_template_is_left_unsaid() -> None:
    text = configuration(GROUND, 7)
    assert "$" not in text.split("connectors:", 1)[1]
    assert "confirmations: 7" in text
