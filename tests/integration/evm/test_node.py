from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator

import pytest

from connectors.evm.node import Call, Node, NodeAwayError, NodeRefusedError
from tests.support.anvil import Anvil


@pytest.fixture
async def node(anvil: Anvil) -> AsyncIterator[Node]:
    opened = Node(anvil.url, 5_000)
    yield opened
    await opened.close()


async def test_questions_are_answered_alone_and_in_batches_of_any_length(anvil: Anvil, node: Node) -> None:
    anvil.mine(3)
    assert await node.call("eth_blockNumber") == "0x3"
    answers = await node.batch([Call("eth_getBlockByNumber", (hex(n % 4), False)) for n in range(230)])
    assert [int(block["number"], 16) for block in answers] == [n % 4 for n in range(230)]


async def test_no_answer_holds_a_fraction(anvil: Anvil, node: Node) -> None:
    anvil.mine(2)
    history = await node.call("eth_feeHistory", "0x2", "latest", [50])
    assert not any(isinstance(ratio, float) for ratio in history["gasUsedRatio"])


async def test_what_a_node_refuses_is_told_apart_from_a_node_that_is_away(anvil: Anvil, node: Node) -> None:
    with pytest.raises(NodeRefusedError):
        await node.call("eth_noSuchMethod")
    refused, fine = await node.ask([Call("eth_noSuchMethod"), Call("eth_chainId")])
    assert isinstance(refused, NodeRefusedError)
    assert fine == hex(anvil.chain_id)
    anvil.stop()
    with pytest.raises(NodeAwayError) as caught:
        await node.call("eth_chainId")
    assert not caught.value.is_slow


async def test_a_node_that_never_answers_is_called_slow_and_nothing_of_its_address_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    node = Node(f"http://user:hunter2@127.0.0.1:{port}/v3/secret-key", 100)
    with pytest.raises(NodeAwayError) as caught:
        await node.call("eth_chainId")
    assert caught.value.is_slow
    assert "hunter2" not in str(caught.value) + caplog.text
    assert "secret-key" not in str(caught.value) + caplog.text
    await node.close()
    silent.close()
