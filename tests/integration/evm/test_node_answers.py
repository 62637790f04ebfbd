"""Nodes that answer in ways of their own, over real sockets: too much, beside HTTP's rules, in any order, nonsense."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from connectors.evm.node import AnswerTooLongError, Call, Json, Node, NodeAwayError, NodeRefusedError
from tests.support.receiver import RESET, Request, answer, receiving

MIB = 1 << 20


@asynccontextmanager
async def asking(reply: Callable[[Json], bytes], path: str = "", max_bytes: int = MIB) -> AsyncIterator[Node]:
    """A node that answers each request's JSON by ``reply``."""

    def script(_number: int, request: Request) -> bytes:
        return reply(json.loads(request.body))

    async with receiving(script) as receiver:
        node = Node(f"http://127.0.0.1:{receiver.port}{path}", 5_000, max_bytes)
        try:
            yield node
        finally:
            await node.close()


def result(asked: Json, value: Json) -> dict[str, Json]:
    return {"jsonrpc": "2.0", "id": asked["id"], "result": value}


def said(body: Json, status: int = 200) -> bytes:
    return answer(status, json.dumps(body).encode())


async def test_an_answer_longer_than_the_bound_is_refused_and_not_read_to_its_end() -> None:
    async with asking(lambda asked: said(result(asked, "x" * (3 * MIB)))) as node:
        with pytest.raises(AnswerTooLongError, match="longer than 1 MiB"):
            await node.call("eth_getLogs")


async def test_a_small_answer_that_unfolds_into_a_huge_one_is_refused() -> None:
    packed = gzip.compress(b'{"result": "' + b"x" * (30 * MIB) + b'"}')
    async with asking(lambda _: answer(200, packed, Content_Encoding="gzip")) as node:
        with pytest.raises(AnswerTooLongError):
            await node.call("eth_getLogs")


async def test_questions_whose_answers_are_too_long_together_are_asked_in_smaller_batches() -> None:
    sizes = []

    def reply(asked: Json) -> bytes:
        sizes.append(len(asked))
        return said([result(each, each["method"] * 40_000) for each in asked])

    async with asking(reply) as node:
        answers = await node.batch([Call(f"method{n}") for n in range(9)])
    assert answers == [f"method{n}" * 40_000 for n in range(9)]
    assert sizes[0] == 9
    assert max(sizes[1:]) < 9


async def test_one_answer_that_is_too_long_spoils_no_other_of_its_batch() -> None:
    def reply(asked: Json) -> bytes:
        return said([result(each, "x" * (2 * MIB) if each["method"] == "long" else "fine") for each in asked])

    async with asking(reply) as node:
        first, second, third = await node.ask([Call("short"), Call("long"), Call("short")])
    assert (first, third) == ("fine", "fine")
    assert isinstance(second, AnswerTooLongError)


async def test_a_refusal_in_json_counts_as_one_whatever_http_says() -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "Log response size exceeded."}}
    async with asking(lambda _: said(error, 400)) as node:
        with pytest.raises(NodeRefusedError, match="size exceeded") as caught:
            await node.call("eth_getLogs")
    assert not caught.value.is_busy


async def test_what_http_refuses_is_told_by_its_status() -> None:
    async with asking(lambda _: answer(429, b"slow down")) as node:
        with pytest.raises(NodeAwayError, match="HTTP 429"):
            await node.call("eth_chainId")


@pytest.mark.parametrize(("code", "words"), [(-32005, "x"), (0, "Too Many Requests"), (-32000, "rate limit reached")])
async def test_a_node_that_is_asked_too_often_is_told_apart(code: int, words: str) -> None:
    async with asking(lambda asked: said({"id": asked["id"], "error": {"code": code, "message": words}})) as node:
        with pytest.raises(NodeRefusedError) as caught:
            await node.call("eth_getBlockByNumber")
    assert caught.value.is_busy


async def test_answers_of_a_batch_are_told_apart_by_their_numbers_alone() -> None:
    async with asking(lambda asked: said([result(each, each["method"]) for each in reversed(asked)])) as node:
        assert await node.batch([Call("a"), Call("b"), Call("c")]) == ["a", "b", "c"]
    async with asking(lambda asked: said([{"result": each["method"]} for each in asked])) as node:
        with pytest.raises(NodeAwayError):
            await node.batch([Call("a"), Call("b")])


async def test_a_batch_that_is_refused_as_a_whole_is_refused_in_the_nodes_words() -> None:
    error = {"error": {"code": -32000, "message": "batches are not allowed"}}
    async with asking(lambda _: said(error)) as node:
        with pytest.raises(NodeRefusedError, match="not allowed"):
            await node.ask([Call("a"), Call("b")])


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{}", b"7", b"<html>", b'{"result": ' + b"1" * 5_000 + b"}", b""])
async def test_an_answer_that_makes_no_sense_is_no_answer(body: bytes) -> None:
    async with asking(lambda _: answer(200, body)) as node:
        with pytest.raises(NodeAwayError):
            await node.call("eth_chainId")
        with pytest.raises(NodeAwayError):
            await node.ask([Call("eth_chainId"), Call("eth_chainId")])


async def test_a_node_that_repeats_its_address_does_not_give_its_key_away() -> None:
    def reply(asked: Json) -> bytes:
        return said({"id": asked["id"], "error": {"code": 1, "message": "project 0123456789abcdef is unknown"}})

    async with asking(reply, path="/v3/0123456789abcdef") as node:
        with pytest.raises(NodeRefusedError) as caught:
            await node.call("eth_chainId")
    assert str(caught.value) == "eth_chainId: project … is unknown (1)"


async def test_a_connection_that_was_closed_while_it_was_idle_costs_no_question() -> None:
    def script(number: int, request: Request) -> bytes:
        return RESET if number == 2 else said(result(json.loads(request.body), hex(number)))

    async with receiving(script) as receiver:
        node = Node(f"http://127.0.0.1:{receiver.port}", 5_000)
        assert [await node.call("eth_chainId"), await node.call("eth_chainId")] == ["0x1", "0x3"]
        await node.close()


async def test_a_redirect_is_not_followed() -> None:
    async with receiving() as elsewhere:
        place = f"http://127.0.0.1:{elsewhere.port}/"
        async with asking(lambda _: answer(307, b"{}", Location=place)) as node:
            with pytest.raises(NodeAwayError):
                await node.call("eth_chainId")
        assert elsewhere.got == []


def test_the_libraries_do_not_lift_the_bound_on_recursion_for_the_whole_daemon() -> None:
    """Where they do, what is nested too deep ends the process."""
    words = (
        "import sys; before = sys.getrecursionlimit(); import connectors.evm; print(before, sys.getrecursionlimit())"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True, timeout=60)
    before, after = done.stdout.split()
    assert after == before
