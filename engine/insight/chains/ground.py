"""What two chains hold before anything happens on them: tokens, a pool and a bridge on each, and who owns what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from connectors.evm.abi import Function, keccak_hex
from engine.insight.chains.anvil import Anvil
from engine.insight.chains.contracts import call, compiled
from engine.insight.chains.problems import ChainError
from engine.insight.chains.rpc import ask

USD: Final = 10**6
ETH: Final = 10**18
POOL_FEE_BPS: Final = 30
BRIDGE_FEE_BPS: Final = 5
#: USDX and ETHX in the pools: 3,000 USDX for one ETHX on both sides.
HOME_POOL: Final = (4_800_000 * USD, 1_600 * ETH)
FAR_POOL: Final = (48_000_000 * USD, 16_000 * ETH)
#: USDX in each bridge.
BRIDGE_HOLDS: Final = 5_000_000 * USD
#: USDX of the operator, at home.
OPERATOR_HOLDS: Final = 1_000_000 * USD
#: USDX and ETHX of the whale, on the far side: a hundred times the pool, and once the pool.
WHALE_HOLDS: Final = (4_800_000_000 * USD, 16_000 * ETH)
#: Native coin of the operator on each side, in wei, for what transactions burn.
OPERATOR_COIN: Final = 1_000 * 10**18
_WITHOUT_BOUND: Final = 2**256 - 1
_CALL_GAS: Final = 300_000
#: (network, owner, asset); owners are operator, pool, bridge and whale, assets USDX and ETHX.
Place: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two chains. Addresses are lower case.

    Attributes:
        network: ``home`` or ``far``.
        chain_id: of its chain.
        url: where its node answers.
        usd: the token USDX, 6 decimals.
        eth: the token ETHX, 18 decimals.
        pool: of the two; ``token0`` is USDX, ``token1`` is ETHX.
        bridge: of USDX.
    """

    network: str
    chain_id: int
    url: str
    usd: str
    eth: str
    pool: str
    bridge: str


@dataclass(frozen=True, slots=True)
class Ground:
    """Both chains, and whose accounts are whose. The accounts are the same on both."""

    home: Side
    far: Side
    operator: str
    whale: str
    relayer: str
    bridge_fee_bps: int
    pool_fee_bps: int


@dataclass(frozen=True, slots=True)
class _Builder:
    """Sends what lays out one side, without waiting for any of it."""

    chain: Anvil
    deployer: str

    def create(self, name: str, signature: str, *values: object) -> tuple[str, str]:
        """Sends a contract; its transaction, and the address that it will have."""
        nonce = int(self.chain.rpc("eth_getTransactionCount", self.deployer, "pending"), 16)
        code = compiled(name).creation(signature, *values)
        return self.chain.transact_from(self.deployer, None, code), contract_address(self.deployer, nonce)

    def call(self, to: str, signature: str, *values: object) -> str:
        """Sends a call of the deployer; its transaction."""
        return self.chain.transact_from(self.deployer, to, call(signature, *values), gas=_CALL_GAS)


def lay_out(home: Anvil, far: Anvil, operator: str) -> Ground:
    """Deploys, mints and approves on both chains; the same each time on fresh chains, addresses too.

    It takes two blocks, whatever the chains' pace. All accounts but the operator's are of the nodes' own.

    Args:
        home: a running chain, where the operator's USDX is.
        far: another one.
        operator: address; its key need not be known to the nodes.

    Raises:
        ChainError: X154, X155, a chain does not take it; X156, X150, a contract does not compile.
    """
    operator = operator.lower()
    # A deployer for each side, so that no address means something on both.
    home_deployer, far_deployer, whale, relayer = [each for each in home.accounts if each != operator][-4:]
    sides, sent = [], []
    for network, chain, deployer in (("home", home, home_deployer), ("far", far, far_deployer)):
        side, hashes = _build(_Builder(chain, deployer), network, operator, whale, relayer)
        sides.append(side)
        sent.append((chain, hashes))
    for chain, hashes in sent:
        chain.receipts(hashes)
    # An approval in the same block might come before the token is there, and be of nothing.
    sent = [(chain, _approve(chain, side, operator, whale)) for (chain, _), side in zip(sent, sides, strict=True)]
    for chain, hashes in sent:
        chain.receipts(hashes)
        chain.rpc("anvil_stopImpersonatingAccount", operator)
    for (chain, _), side in zip(sent, sides, strict=True):
        _check_code(chain, side)
    return Ground(sides[0], sides[1], operator, whale, relayer, BRIDGE_FEE_BPS, POOL_FEE_BPS)


def balances(ground: Ground) -> dict[Place, int]:
    """Who holds how much of each token, in base units, each side's at one block: its newest."""
    found: dict[Place, int] = {}
    for side in (ground.home, ground.far):
        block = {"blockHash": ask(side.url, "eth_getBlockByNumber", "latest", False)["hash"]}
        for owner, address in _owners(ground, side):
            for asset, token in (("USDX", side.usd), ("ETHX", side.eth)):
                asked = {"to": token, "data": call("balanceOf(address)", address)}
                found[side.network, owner, asset] = int(ask(side.url, "eth_call", asked, block), 16)
    return found


def contract_address(creator: str, nonce: int) -> str:
    """Where the contract is that an account creates with that nonce (0 to 127), lower case.

    Raises:
        ChainError: X155, the account has created too much to be one of a fresh chain.
    """
    if nonce > 0x7F:
        raise ChainError("X155", f"account {creator} has used {nonce} nonces", "lay out on a fresh chain")
    # The recursive-length prefix of (address, nonce).
    content = bytes([0xD6, 0x94, *bytes.fromhex(creator[2:]), nonce or 0x80])
    return "0x" + keccak_hex(content)[-40:]


def read(url: str, to: str, signature: str, *values: object) -> tuple[object, ...]:
    """What a view function answers at the newest block: ``read(url, pool, "fee_bps() returns (uint256)")``."""
    function = Function.of(signature)
    return function.decode_result(ask(url, "eth_call", {"to": to, "data": function.call_data(values)}, "latest"))


def _build(by: _Builder, network: str, operator: str, whale: str, relayer: str) -> tuple[Side, Sequence[str]]:
    signature = "constructor(string,string,uint8)"
    made = [by.create("token", signature, "USDX", "USDX", 6), by.create("token", signature, "ETHX", "ETHX", 18)]
    usd, eth = made[0][1], made[1][1]
    made.append(by.create("pool", "constructor(address,address,uint256)", usd, eth, POOL_FEE_BPS))
    made.append(by.create("bridge", "constructor(address,address,uint256)", usd, relayer, BRIDGE_FEE_BPS))
    pool, bridge = made[2][1], made[3][1]
    is_home = network == "home"
    pool_usd, pool_eth = HOME_POOL if is_home else FAR_POOL
    mint, approve = "mint(address,uint256)", "approve(address,uint256)"
    sent = [
        by.call(usd, mint, by.deployer, pool_usd + BRIDGE_HOLDS),
        by.call(eth, mint, by.deployer, pool_eth),
        by.call(usd, approve, pool, pool_usd),
        by.call(eth, approve, pool, pool_eth),
        by.call(usd, approve, bridge, BRIDGE_HOLDS),
        by.call(pool, "provide(uint256,uint256)", pool_usd, pool_eth),
        by.call(bridge, "provide(uint256)", BRIDGE_HOLDS),
    ]
    if is_home:
        sent.append(by.call(usd, mint, operator, OPERATOR_HOLDS))
    else:
        sent += [by.call(usd, mint, whale, WHALE_HOLDS[0]), by.call(eth, mint, whale, WHALE_HOLDS[1])]
    side = Side(network, by.chain.chain_id, by.chain.url, usd, eth, pool, bridge)
    return side, [*(tx for tx, _ in made), *sent]


def _approve(chain: Anvil, side: Side, operator: str, whale: str) -> list[str]:
    chain.rpc("anvil_impersonateAccount", operator)
    chain.rpc("anvil_setBalance", operator, hex(OPERATOR_COIN))
    wanted = [(operator, side.usd, side.bridge), (operator, side.usd, side.pool), (operator, side.eth, side.pool)]
    if side.network == "far":
        wanted += [(whale, side.usd, side.pool), (whale, side.eth, side.pool)]
    return [
        chain.transact_from(owner, token, call("approve(address,uint256)", to, _WITHOUT_BOUND), gas=_CALL_GAS)
        for owner, token, to in wanted
    ]


def _check_code(chain: Anvil, side: Side) -> None:
    for address in (side.usd, side.eth, side.pool, side.bridge):
        if chain.rpc("eth_getCode", address, "latest") == "0x":
            raise ChainError("X155", f"there is no contract at {address} of {side.network}", "report this")


def _owners(ground: Ground, side: Side) -> Iterator[tuple[str, str]]:
    yield from (("operator", ground.operator), ("pool", side.pool), ("bridge", side.bridge), ("whale", ground.whale))
