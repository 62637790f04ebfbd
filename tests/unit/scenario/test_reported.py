from engine.insight.scenario.history import Made
from engine.insight.scenario.reported import Reported
from engine.insight.scenario.wanted import Leaf, WantedCommand
from engine.model.rules import Span

SPAN = Span("t.yaml", 1, 1)


def made(number: int, verb: str = "pay") -> Made:
    return Made(number, f"c{number}", f"bank.{verb}", {"order": f"O{number}", "part": number % 2}, "r", "", {})


def wanted(**args: str) -> WantedCommand:
    return WantedCommand("bank.pay", tuple((name, Leaf(frozenset({form}), form)) for name, form in args.items()), SPAN)


class Ledger:
    """What is closed, and how often that was asked."""

    def __init__(self) -> None:
        self.closed: set[str] = set()
        self.asked = 0

    def is_open(self, each: Made) -> bool:
        self.asked += 1
        return each.id not in self.closed


def test_the_newest_open_command_that_fits_is_meant() -> None:
    ledger = Ledger()
    reported = Reported(ledger.is_open)
    reported.take([made(0), made(1), made(2), made(3, "ship"), made(4)])
    assert reported.newest(wanted()) == made(4)
    assert reported.newest(wanted(part="0")) == made(4)
    assert reported.newest(wanted(part="1", order='"O1"')) == made(1)
    assert reported.newest(wanted(order='"O3"')) is None
    ledger.closed |= {"c4", "c1"}
    assert reported.newest(wanted()) == made(2)
    assert reported.newest(wanted(part="1")) is None


def test_reports_cost_as_much_as_there_are_commands() -> None:
    ledger, count = Ledger(), 2_000
    reported = Reported(ledger.is_open)
    reported.take([made(number) for number in range(count)])
    for number in range(count):
        found = reported.newest(wanted(order=f'"O{number}"'))
        assert found == made(number)
        ledger.closed.add(found.id)
    assert ledger.asked <= 3 * count
    assert reported.newest(wanted()) is None
