"""What happens on both chains and in the engine, in sentences; and what of it an act waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.insight.audit import Decision, Fired, Noted
from engine.insight.demo.amounts import gwei, shown
from engine.insight.demo.happening import Happening, Who
from engine.insight.demo.said import said_in
from engine.insight.demo.telling import of_coordination
from engine.model.journal import RawEntry, StreamId

#: The tokens of both chains.
DECIMALS: Final = {"USDX": 6, "ETHX": 18}
#: A head is worth a line every so many blocks.
_SOMETIMES: Final = 10
#: Wei; above it every head is worth one.
_DEAR: Final = 20 * 10**9
#: What a transfer of each purpose is called, where it was seen.
_MOVES: Final = {
    "deposit": "{amount} of {intent} locked in the bridge on {network}",
    "bridge": "{amount} of {intent} released on {network}",
    "swap": "{amount} of {intent} paid by the pool on {network}",
    "refund": "{amount} of {intent} released back on {network}",
}
_HASH_SHOWN: Final = 10
_STEP_LINES: Final = {
    "confirmed": "{step} of {subject} is confirmed",
    "unconfirmed": "{step} of {subject} is unconfirmed: the chain has taken back what it rested on",
    "refused": "{step} of {subject} was refused, nothing moved",
    "failed": "{step} of {subject} failed, nothing moved",
    "undone": "{step} of {subject} is undone",
    "stuck": "{step} of {subject} is stuck",
}


@dataclass
class Known:
    """What has been read so far.

    Attributes:
        base_fee: network → wei, of its newest head.
        transfers: (intent, purpose, network) → the fact, as told last and not taken back by a reorganisation.
        commands: command id → (connector.verb, intent).
        transactions: command id → the fact ``transaction``, as told last.
        steps: (intent, step) → every state it was in.
        reorganised: network → how often.
    """

    base_fee: dict[str, int] = field(default_factory=dict)
    transfers: dict[tuple[str, str, str], Mapping[str, Any]] = field(default_factory=dict)
    commands: dict[str, tuple[str, str]] = field(default_factory=dict)
    transactions: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    steps: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    reorganised: dict[str, int] = field(default_factory=dict)

    def commanded(self, intent: str, verb: str) -> list[str]:
        """Ids of the commands ``connector.verb`` for an intent, oldest first."""
        return [command for command, said in self.commands.items() if said == (verb, intent)]


def short(long: str) -> str:
    """A hash or address, as far as it takes to know it again."""
    return f"{long[:_HASH_SHOWN]}…"


class ChainTelling:
    """Fulfils ``engine.insight.demo.follow.Teller``."""

    def __init__(self, depth: int) -> None:
        """Starts with nothing known.

        Args:
            depth: blocks deep, at which a transfer counts for good.
        """
        self._depth = depth
        self.known = Known()

    # -- the journal ---------------------------------------------------------------
    def of_entry(self, entry: RawEntry) -> Happening | None:
        """The line for an entry of the journal, if it deserves one."""
        if (found := said_in(entry)) is None:
            return None
        fields, said = found
        tellers: dict[str, Callable[[Mapping[str, Any]], tuple[Who, str] | None]] = {
            "assert network": self._network,
            "assert transfer": self._transfer,
            "assert transaction": self._transaction,
            "assert intent": self._intent,
        }
        op = fields.get("op", "")
        tell = self._reorg if op == "reorg" else tellers.get(f"{op} {fields.get('kind', '')}")
        told = None if tell is None else tell(said)
        return None if told is None else Happening(StreamId.parse(entry[0]).ms, *told)

    def _network(self, said: Mapping[str, Any]) -> tuple[Who, str] | None:
        network, height, fee = str(said["id"]), int(said["height"]), int(said["base_fee"])
        before = self.known.base_fee.get(network)
        self.known.base_fee[network] = fee
        is_dear = fee > _DEAR or (before or 0) > _DEAR
        if fee == before or not (is_dear or height % _SOMETIMES == 0):
            return None
        return Who.CHAIN, f"{network} block {height}: base fee {_gwei(fee)}"

    def _transfer(self, said: Mapping[str, Any]) -> tuple[Who, str] | None:
        place = (str(said["intent"]), str(said["purpose"]), str(said["network"]))
        before = self.known.transfers.get(place)
        self.known.transfers[place] = said
        text = _MOVES[place[1]].format(**{**said, "amount": shown(int(said["amount"]), said["asset"], DECIMALS)})
        if before is None or before["block_hash"] != said["block_hash"]:
            return Who.SEEN, f"{text}, in block {said['height']}"
        if int(said["depth"]) == self._depth and int(before["depth"]) < self._depth:
            return Who.SEEN, f"{text}, {self._depth} blocks deep"
        return None

    def _transaction(self, said: Mapping[str, Any]) -> tuple[Who, str] | None:
        command, state = str(said["id"]), str(said["state"])
        before = self.known.transactions.get(command)
        self.known.transactions[command] = said
        if before is not None and before["state"] == state:
            return None
        verb = self.known.commands.get(command, ("?", ""))[0]
        text = f"{verb} {command[:8]}: transaction {short(str(said['tx']))}"
        match state:
            case "pending":
                again = " again" if before is not None else f", nonce {said['nonce']}, goes"
                return Who.SENT, f"{text}{again} to {said['network']}"
            case "mined":
                return Who.SENT, f"{text} is in block {said['height']} of {said['network']}"
            case "unconfirmed":
                return Who.SENT, f"{text}: its block has left the chain; the same bytes go out again"
            case "stuck" | "missing" | "failed":
                return Who.SENT, f"{text}: {state} {said.get('reason', '')}".rstrip()
        return None

    def _intent(self, said: Mapping[str, Any]) -> tuple[Who, str]:
        gives = shown(int(said["amount"]), said["asset_in"], DECIMALS)
        wants = shown(int(said["min_out"]), said["asset_out"], DECIMALS)
        return Who.ASKED, f"{said['id']}: {gives} on {said['source']} for at least {wants} on {said['target']}"

    def _reorg(self, said: Mapping[str, Any]) -> tuple[Who, str]:
        network, removed = str(said["network"]), set(said["removed"])
        self.known.reorganised[network] = self.known.reorganised.get(network, 0) + 1
        taken = [place for place, fact in self.known.transfers.items() if fact["block_hash"] in removed]
        for place in taken:
            del self.known.transfers[place]
        lost = "".join(f"; with them the {purpose} of {intent}" for intent, purpose, _ in taken)
        return Who.CHAIN, f"{network} is reorganised: its last {len(removed)} blocks are no more{lost}"

    # -- the engine ----------------------------------------------------------------
    def of_decision(self, decision: Decision) -> list[Happening]:
        """The lines for what was decided."""
        found: list[Happening] = []
        # What becomes of steps is noted when the decision has come to rest; for people a verdict is the last word.
        for event in sorted(decision.events, key=_is_verdict):
            if isinstance(event, Fired):
                found += self._commands(decision, event)
            elif (text := self._note(event)) is not None:
                found.append(Happening(decision.at_ms, Who.OUTCOME, text))
        return found

    def _commands(self, decision: Decision, fired: Fired) -> list[Happening]:
        found = []
        for command in fired.commands:
            args, verb = command.args, f"{command.connector}.{command.verb}"
            self.known.commands[command.id] = (verb, str(args.get("intent", "")))
            text = f"{verb} {command.id[:8]}: "
            if "amount" in args:
                text += f"{shown(int(args['amount']), str(args['asset']), DECIMALS)} of {args['intent']}"
            else:
                text += ", ".join(f"{name} {value}" for name, value in args.items())
            if "min_out" in args:
                text += f" for at least {shown(int(args['min_out']), 'ETHX', DECIMALS)}"
            found.append(Happening(decision.at_ms, Who.COMMAND, text))
        return found

    def _note(self, noted: Noted) -> str | None:
        said = noted.fields
        if noted.event != "step":
            return of_coordination(noted)
        states = self.known.steps.setdefault((str(said["subject"]), str(said["step"])), [])
        states.append(str(said["state"]))
        line = _STEP_LINES.get(str(said["state"]))
        return None if line is None else line.format(**said)


def _is_verdict(event: Fired | Noted) -> bool:
    return isinstance(event, Noted) and event.event == "outcome"


def _gwei(wei: int) -> str:
    """Three digits behind the point say enough of a price; amounts of value are always told whole."""
    return gwei(wei // 10**6 * 10**6) if wei >= 10**6 else gwei(wei)
