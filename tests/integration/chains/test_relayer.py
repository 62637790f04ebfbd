"""The relayer on two chains: what counts is released, once, whatever happens on the way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from engine.clock import monotonic_ms
from engine.errors import Exit
from engine.insight.chains.anvil import Anvil
from engine.insight.chains.contracts import call
from engine.insight.chains.ground import BRIDGE_HOLDS
from engine.insight.chains.problems import ChainError
from engine.insight.chains.relayer.book import Book
from engine.insight.chains.relayer.relayer import Relayer
from engine.insight.chains.relayer.settings import RelayerSettings, settings_for
from tests.support.chains import OPERATOR, Pair, one

DEPTH = 3


@pytest.fixture
def settings(pair: Pair, tmp_path: Path) -> RelayerSettings:
    made = settings_for(pair.ground, DEPTH)
    return made.model_copy(update={"book": str(tmp_path / "book.json"), "poll_ms": 20, "timeout_ms": 1_000})


@pytest.fixture
async def born(settings: RelayerSettings) -> AsyncIterator[Callable[[], Relayer]]:
    """Makes relayers of one book, as one life follows another."""
    lives: list[Relayer] = []

    def make() -> Relayer:
        lives.append(Relayer(settings))
        return lives[-1]

    yield make
    for each in lives:
        await each.close()


@pytest.fixture
def program(settings: RelayerSettings, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Runs it as anybody would; what still runs at the end is killed."""
    file = tmp_path / "relayer.json"
    file.write_text(settings.model_dump_json())
    running = []

    def run() -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "engine.insight.chains.relayer", str(file)]
        running.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return running[-1]

    yield run
    for each in running:
        each.kill()
        each.wait()
        if each.stdout is not None:
            each.stdout.close()


def until(holds: Callable[[], bool]) -> None:
    """Waits for it."""
    end = monotonic_ms() + 20_000
    while not holds():
        assert monotonic_ms() < end, "it does not come"
        time.sleep(0.01)


def lose_book(settings: RelayerSettings) -> None:
    Path(settings.book).unlink()


async def test_a_deposit_is_released_when_it_is_deep_enough_and_not_before(
    pair: Pair, born: Callable[[], Relayer]
) -> None:
    home, far, relayer = pair.ground.home, pair.ground.far, born()
    pair.home.receipts([pair.deposit(home, 2_001)])
    for _ in range(DEPTH - 1):
        await relayer.walk()
        assert pair.waiting(far) == 0
        pair.home.mine()
    await relayer.walk()
    await relayer.walk()
    assert pair.waiting(far) == 1
    pair.far.mine(DEPTH)
    await relayer.walk()
    await relayer.walk()
    assert pair.waiting(far) == 0
    assert [(e["receiver"], e["amount"]) for e in pair.releases(far)] == [(OPERATOR, 1_999)]
    assert pair.releases(far)[0]["id"] == pair.deposits(home)[0]["id"]
    assert pair.releases(far)[0]["intent"] == pair.deposits(home)[0]["intent"]


async def test_it_relays_both_ways(pair: Pair, born: Callable[[], Relayer]) -> None:
    home, far, relayer = pair.ground.home, pair.ground.far, born()
    pair.far.receipts(
        [pair.far.transact_from(pair.ground.whale, far.usd, call("transfer(address,uint256)", OPERATOR, 8_000))]
    )
    pair.far.receipts([pair.deposit(far, 8_000)])
    pair.home.receipts([pair.deposit(home, 6_000)])
    pair.home.mine(DEPTH - 1)
    pair.far.mine(DEPTH - 1)
    await relayer.walk()
    pair.home.mine()
    pair.far.mine()
    assert [e["amount"] for e in pair.releases(home)] == [7_996]
    assert [e["amount"] for e in pair.releases(far)] == [5_997]


async def test_a_deposit_whose_block_went_away_is_forgotten_unless_it_comes_back(
    pair: Pair, born: Callable[[], Relayer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lockstep.relayer")
    home, far, relayer = pair.ground.home, pair.ground.far, born()
    pair.home.receipts([pair.deposit(home, 4_000)])
    first = pair.deposits(home)[0]["id"]
    pair.home.mine()
    await relayer.walk()
    pair.home.reorg(2)
    pair.home.mine(DEPTH)
    await relayer.walk()
    await relayer.walk()
    assert pair.waiting(far) == 0
    assert f"deposit {first[:10]}… is gone" in caplog.text

    pair.home.receipts([pair.deposit(home, 4_000)])
    assert pair.deposits(home)[0]["id"] == first
    pair.home.mine(DEPTH - 1)
    await relayer.walk()
    pair.far.mine()
    await relayer.walk()
    assert [e["id"] for e in pair.releases(far)] == [first]


async def test_a_deposit_that_goes_away_after_it_counted_is_not_released_any_more(
    pair: Pair, born: Callable[[], Relayer]
) -> None:
    """The far bridge's own deposits were deep, but home did not hold enough; then their branch is replaced."""
    home, far, whale, relayer = pair.ground.home, pair.ground.far, pair.ground.whale, born()
    approve = call("approve(address,uint256)", far.bridge, 2**256 - 1)
    pair.far.receipts([pair.far.transact_from(whale, far.usd, approve)])
    pair.far.receipts([pair.deposit(far, 2 * BRIDGE_HOLDS, sender=whale)])
    pair.far.mine(DEPTH)
    await relayer.walk()
    assert pair.waiting(home) == 0
    pair.far.reorg(DEPTH + 1)

    owner = str(one(home.url, home.bridge, "owner() returns (address)"))
    pair.home.rpc("anvil_impersonateAccount", owner)
    assert pair.deposits(far) == []
    # Now home would hold enough.
    pair.home.receipts(
        [
            pair.home.transact_from(owner, home.usd, call("mint(address,uint256)", owner, 2 * BRIDGE_HOLDS)),
            pair.home.transact_from(owner, home.usd, call("approve(address,uint256)", home.bridge, 2 * BRIDGE_HOLDS)),
            pair.home.transact_from(owner, home.bridge, call("provide(uint256)", 2 * BRIDGE_HOLDS)),
        ]
    )
    for _ in range(3):
        await relayer.walk()
    assert pair.waiting(home) == 0
    # The same deposit in another block is the same deposit.
    pair.far.receipts([pair.deposit(far, 2 * BRIDGE_HOLDS, sender=whale)])
    pair.far.mine(DEPTH)
    for _ in range(3):
        await relayer.walk()
    pair.home.mine()
    assert [e["id"] for e in pair.releases(home)] == [e["id"] for e in pair.deposits(far)]


async def test_a_release_that_a_reorganisation_took_is_made_again_and_stands_once(
    pair: Pair, born: Callable[[], Relayer]
) -> None:
    home, far, relayer = pair.ground.home, pair.ground.far, born()
    pair.home.receipts([pair.deposit(home, 4_000)])
    pair.home.mine(DEPTH)
    await relayer.walk()
    pair.far.mine()
    await relayer.walk()
    assert len(pair.releases(far)) == 1
    pair.far.reorg(1)
    assert pair.releases(far) == []
    await relayer.walk()
    pair.far.mine(DEPTH)
    await relayer.walk()
    await relayer.walk()
    assert pair.waiting(far) == 0
    assert len(pair.releases(far)) == 1
    assert pair.balances()["far", "operator", "USDX"] == 3_998


async def test_a_life_that_lost_its_book_finds_on_the_chain_what_was_released(
    pair: Pair, born: Callable[[], Relayer], settings: RelayerSettings
) -> None:
    home, far = pair.ground.home, pair.ground.far
    pair.home.receipts([pair.deposit(home, 4_000), pair.deposit(home, 6_000)])
    pair.home.mine(DEPTH)
    await born().walk()
    assert pair.waiting(far) == 2
    # It died before it noted what it had sent: no block has it yet.
    lose_book(settings)
    second = born()
    await second.walk()
    assert pair.waiting(far) == 2
    pair.far.mine()
    lose_book(settings)
    third = born()
    await third.walk()
    assert pair.waiting(far) == 0
    assert sorted(e["amount"] for e in pair.releases(far)) == [3_998, 5_997]
    assert {entry.state for entry in Book.open(Path(settings.book)).entries.values()} == {"released"}


async def test_a_node_that_is_away_holds_up_the_release_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lockstep.relayer")
    pair = Pair.laid_out(Anvil(31_001).start(), Anvil(31_002, state=tmp_path / "far.chain").start())
    relayer = Relayer(settings_for(pair.ground, DEPTH).model_copy(update={"book": str(tmp_path / "book.json")}))
    try:
        pair.home.receipts([pair.deposit(pair.ground.home, 4_000)])
        pair.home.mine(DEPTH)
        pair.far.stop()
        for _ in range(3):
            await relayer.walk()
        assert caplog.text.count("far: the node is away") == 1
        pair.far.start()
        await relayer.walk()
        assert pair.waiting(pair.ground.far) == 1
        assert caplog.text.count("far: the node is back") == 1
    finally:
        await relayer.close()
        pair.stop()


def test_the_program_releases_each_deposit_once_over_a_kill(
    pair: Pair, program: Callable[[], subprocess.Popen[str]]
) -> None:
    home, far = pair.ground.home, pair.ground.far
    pair.home.receipts([pair.deposit(home, 4_000)])
    pair.home.mine(DEPTH)
    first = program()
    until(lambda: pair.waiting(far) == 1)
    first.kill()
    first.wait()
    pair.home.receipts([pair.deposit(home, 6_000)])
    pair.home.mine(DEPTH)
    second = program()
    # The release of the first life, which no block has taken, still waits; it comes before in the book.
    until(lambda: pair.waiting(far) == 2)
    pair.far.mine(DEPTH)
    assert [e["id"] for e in pair.releases(far)] == [e["id"] for e in pair.deposits(home)]
    second.terminate()
    out, _ = second.communicate()
    assert second.returncode == Exit.OK
    assert out.splitlines()[-1].endswith("ends")


async def test_the_node_of_another_chain_is_not_believed(settings: RelayerSettings) -> None:
    home, far = settings.sides
    other = settings.model_copy(update={"sides": [home.model_copy(update={"chain_id": 1}), far]})
    relayer = Relayer(other)
    with pytest.raises(ChainError, match="X157 home: the node is of chain 31001"):
        await relayer.walk()
    await relayer.close()
