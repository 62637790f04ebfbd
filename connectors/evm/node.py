"""One node of an EVM network, over JSON-RPC. The only module that imports web3 and aiohttp.

It answers with the JSON as the node gave it (quantities as hex texts), so that no number is ever rounded on the way,
and it never tries again by itself: whether a question may be asked twice is for its caller to know.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from aiohttp import ClientError
from web3 import AsyncHTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint, RPCResponse

#: Questions of one HTTP request; public nodes refuse more than 100 to 1,000.
MAX_BATCH: Final = 100
#: Characters of a node's own words that are kept.
MAX_WORDS: Final = 300

# At level debug web3 writes down every address it asks, and with it the key that many addresses hold.
logging.getLogger("web3").setLevel(logging.WARNING)

#: What JSON holds: numbers with a fraction stay text.
Json: TypeAlias = Any


class NodeError(Exception):
    """A node did not give what was asked."""


class NodeAwayError(NodeError):
    """No answer, or none that makes sense. Whether the node took what was sent is not known.

    Attributes:
        is_slow: it was reached, but did not answer in time.
    """

    def __init__(self, message: str, *, is_slow: bool = False) -> None:
        super().__init__(message)
        self.is_slow = is_slow


class NodeRefusedError(NodeError):
    """The node answered with a JSON-RPC error.

    Attributes:
        code: the JSON-RPC error code; 3 is a revert, -32000 and below are the node's own.
        message: the node's words, cut to 300 characters.
        data: the error's ``data`` (of a revert: its bytes as hex), as given.
    """

    def __init__(self, method: str, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{method}: {message[:MAX_WORDS]} ({code})")
        self.code = code
        self.message = message[:MAX_WORDS]
        self.data = data


@dataclass(frozen=True, slots=True)
class Call:
    """One question: a JSON-RPC method and its parameters."""

    method: str
    params: Sequence[Json] = ()


class _Provider(AsyncHTTPProvider):
    """web3's HTTP provider, with fractions left as text: some methods answer ratios, which nobody here may compute."""

    @staticmethod
    def decode_rpc_response(raw_response: bytes) -> RPCResponse:
        decoded: RPCResponse = json.loads(raw_response, parse_float=str)
        return decoded


class Node:
    """Asks one node. Safe to use by several tasks at once on one event loop."""

    def __init__(self, url: str, timeout_ms: int) -> None:
        """Connects nothing.

        Args:
            url: http or https, with user and password if need be.
            timeout_ms: of one request, whatever it asks.
        """
        self._provider = _Provider(url, exception_retry_configuration=None)
        self._timeout_ms = timeout_ms
        #: Where it is, without the parts of the address that may be secret (user, password, path, query).
        self.place = _place(url)

    async def call(self, method: str, *params: Json) -> Json:
        """The ``result`` of one method.

        Raises:
            NodeAwayError: no usable answer.
            NodeRefusedError: a JSON-RPC error.
        """
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                response = await self._provider.make_request(RPCEndpoint(method), list(params))
        except (TimeoutError, ClientError, Web3Exception, OSError, ValueError) as error:
            raise self._away(error) from error
        return self._result(method, response)

    async def batch(self, calls: Sequence[Call]) -> list[Json]:
        """The results in the order of the calls; asked in requests of at most 100.

        Raises:
            NodeAwayError: some request got no usable answer.
            NodeRefusedError: one of them was answered with an error; the first such.
        """
        answers = await self.ask(calls)
        for answer in answers:
            if isinstance(answer, NodeRefusedError):
                raise answer
        return answers

    async def ask(self, calls: Sequence[Call]) -> list[Json]:
        """As ``batch``, but an error stands in its place as a NodeRefusedError instead of being raised.

        Raises:
            NodeAwayError: some request got no usable answer.
        """
        answers: list[Json] = []
        for start in range(0, len(calls), MAX_BATCH):
            part = calls[start : start + MAX_BATCH]
            responses = await self._request(part)
            for call, response in zip(part, responses, strict=True):
                try:
                    answers.append(self._result(call.method, response))
                except NodeRefusedError as error:
                    answers.append(error)
        return answers

    async def close(self) -> None:
        """Closes its connections. It can be used again; they are then opened anew."""
        await self._provider.disconnect()

    async def _request(self, calls: Sequence[Call]) -> list[RPCResponse]:
        asked = [(RPCEndpoint(call.method), list(call.params)) for call in calls]
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                responses = await self._provider.make_batch_request(asked)
        except (TimeoutError, ClientError, Web3Exception, OSError, ValueError, KeyError, TypeError) as error:
            raise self._away(error) from error
        if not isinstance(responses, list):
            self._result("batch", responses)
            raise NodeAwayError(f"{self.place} answers a batch with a single result")
        if len(responses) != len(calls):
            raise NodeAwayError(f"{self.place} answers {len(responses)} of {len(calls)} questions of a batch")
        return responses

    def _away(self, error: Exception) -> NodeAwayError:
        # aiohttp's own words may hold the whole address, and with it a key.
        if isinstance(error, TimeoutError):
            return NodeAwayError(f"{self.place} gave no answer within {self._timeout_ms} ms", is_slow=True)
        return NodeAwayError(f"{self.place} cannot be asked: {type(error).__name__}")

    def _result(self, method: str, response: Json) -> Json:
        if not isinstance(response, dict):
            raise NodeAwayError(f"{self.place} answers {method} with no JSON-RPC response")
        error = response.get("error")
        if error is None:
            if "result" not in response:
                raise NodeAwayError(f"{self.place} answers {method} with neither result nor error")
            return response["result"]
        if not isinstance(error, dict):
            raise NodeRefusedError(method, 0, str(error))
        code = error.get("code")
        raise NodeRefusedError(
            method, code if isinstance(code, int) else 0, str(error.get("message", "")), error.get("data")
        )


def quantity(value: object) -> int:
    """A JSON-RPC quantity (``0x1a``) as an integer.

    Raises:
        NodeAwayError: it is none; the node cannot be believed.
    """
    if isinstance(value, str) and value.startswith("0x"):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise NodeAwayError(f"the node answers {str(value)[:80]!r} where a quantity must stand")


def _place(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or "?"
    return f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"
