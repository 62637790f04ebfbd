"""One node of an EVM network, over JSON-RPC. The only module that imports web3 and aiohttp.

It answers with the JSON as the node gave it (quantities as hex texts), so that no number is ever rounded on the way.
It never tries again by itself, but where an idle connection turns out to have been closed: the rest is for its caller.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientSession,
    ClientTimeout,
    ServerDisconnectedError,
    TCPConnector,
)
from web3 import AsyncHTTPProvider
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint, RPCResponse

#: Questions of one HTTP request; public nodes refuse more than 100 to 1,000.
MAX_BATCH: Final = 100
#: Of one answer. The logs of 500 blocks of a busy contract are a few MiB.
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
#: Characters of a node's own words that are kept.
MAX_WORDS: Final = 300
#: What of an answer is read at once.
_CHUNK: Final = 64 * 1024
#: A connection is kept open for the questions of one look, and no longer than servers do: one that was closed over
#: there while it was idle would cost a question.
_KEEP_ALIVE_S: Final = 4
#: An address's parts at least so long may be keys; shorter ones are words such as `v2`.
_SECRET_LENGTH: Final = 8
_HTTP_ERROR: Final = 400
#: ``0x`` and 256 bits.
_MAX_QUANTITY: Final = 66

# At level debug web3 writes down every address it asks, and with it the key that many addresses hold.
logging.getLogger("web3").setLevel(logging.WARNING)

#: How nodes say that they are asked too often: by code, or by words (https://docs.metamask.io/services/reference/, and
#: https://www.alchemy.com/docs/reference/error-reference).
_BUSY_CODES: Final = (-32005, -32097, 429)
_BUSY_WORDS: Final = re.compile("rate.?limit|too many requests|request limit|capacity", re.IGNORECASE)

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
        is_busy: it may answer this very question a little later: it was asked too often.
    """

    def __init__(self, method: str, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{method}: {message[:MAX_WORDS]} ({code})")
        self.code = code
        self.message = message[:MAX_WORDS]
        self.data = data
        self.is_busy = code in _BUSY_CODES or _BUSY_WORDS.search(message) is not None


class AnswerTooLongError(NodeRefusedError):
    """The answer is longer than anything that is read here; a smaller question may have a shorter one."""

    def __init__(self, method: str, max_bytes: int) -> None:
        super().__init__(method, 0, f"its answer is longer than {max_bytes >> 20} MiB (option `node.max_answer`)")


@dataclass(frozen=True, slots=True)
class Call:
    """One question: a JSON-RPC method and its parameters."""

    method: str
    params: Sequence[Json] = ()


class _TooLongError(Exception):
    """More bytes came than are read."""


class _StatusError(Exception):
    """HTTP's own refusal, without a JSON-RPC answer in it."""


class _Provider(AsyncHTTPProvider):
    """web3's HTTP provider with connections of its own: kept open between questions, and read no further than a bound.

    Fractions are left as text: some methods answer ratios, which nobody here may compute.
    """

    def __init__(self, url: str, max_bytes: int) -> None:
        super().__init__(url, exception_retry_configuration=None)
        self._url = url
        self._max_bytes = max_bytes
        self._session: ClientSession | None = None

    @staticmethod
    def decode_rpc_response(raw_response: bytes) -> RPCResponse:
        decoded: RPCResponse = json.loads(raw_response, parse_float=str)
        return decoded

    async def _make_request(self, method: RPCEndpoint, request_data: bytes) -> bytes:
        return await self._post(request_data)

    async def make_batch_request(self, batch_requests: list[tuple[RPCEndpoint, Any]]) -> list[RPCResponse]:
        asked = [json.loads(self.encode_rpc_request(method, params)) for method, params in batch_requests]
        decoded: Any = self.decode_rpc_response(await self._post(json.dumps(asked).encode()))
        if not isinstance(decoded, list):
            return [decoded]
        # By their numbers alone: an answer that were taken for another question's would be believed.
        answers = {each["id"]: each for each in decoded}
        return [answers[each["id"]] for each in asked]

    async def disconnect(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _post(self, body: bytes) -> bytes:
        if self._session is None:
            # Nothing is awaited here, so nobody else makes another one meanwhile.
            self._session = ClientSession(
                connector=TCPConnector(keepalive_timeout=_KEEP_ALIVE_S), timeout=ClientTimeout(total=None)
            )
        try:
            return await self._post_once(self._session, body)
        except ClientConnectorError:
            raise
        except (ServerDisconnectedError, ClientOSError):
            # The other side had closed it while it was idle, as a node does that starts anew. Whatever is asked here
            # may be asked twice: a transaction handed over again is the same one.
            return await self._post_once(self._session, body)

    async def _post_once(self, session: ClientSession, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            answer = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                answer += chunk
                if len(answer) > self._max_bytes:
                    response.close()  # the rest of it is never read
                    raise _TooLongError
            if response.status >= _HTTP_ERROR and not _is_rpc(bytes(answer)):
                raise _StatusError(f"HTTP {response.status}")
            return bytes(answer)


def _is_rpc(answer: bytes) -> bool:
    """Some nodes say no in JSON-RPC and in HTTP at once."""
    try:
        decoded = json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return isinstance(decoded, list) or (isinstance(decoded, dict) and isinstance(decoded.get("error"), dict))


#: All that an answer may fail of: the way, the words (also nested too deep), their form.
_NO_ANSWER: Final = (
    TimeoutError,
    ClientError,
    Web3Exception,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RecursionError,
    _StatusError,
)


class Node:
    """Asks one node. Safe to use by several tasks at once on one event loop."""

    def __init__(self, url: str, timeout_ms: int, max_bytes: int = MAX_ANSWER_BYTES) -> None:
        """Connects nothing.

        Args:
            url: http or https, with user and password if need be.
            timeout_ms: of one request, whatever it asks.
            max_bytes: of one answer; more is not read.
        """
        self._provider = _Provider(url, max_bytes)
        self._timeout_ms = timeout_ms
        self._max_bytes = max_bytes
        self._secrets = _secrets(url)
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
        except _TooLongError:
            raise AnswerTooLongError(method, self._max_bytes) from None
        except _NO_ANSWER as error:
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
            answers += await self._ask(calls[start : start + MAX_BATCH])
        return answers

    async def _ask(self, calls: Sequence[Call]) -> list[Json]:
        """In one request; in two halves, if the answers to all together are too long."""
        try:
            responses = await self._request(calls)
        except AnswerTooLongError as error:
            if len(calls) == 1:
                return [error]
            half = len(calls) // 2
            return [*await self._ask(calls[:half]), *await self._ask(calls[half:])]
        answers: list[Json] = []
        for call, response in zip(calls, responses, strict=True):
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
        except _TooLongError:
            raise AnswerTooLongError(f"{calls[0].method} and {len(calls) - 1} more", self._max_bytes) from None
        except _NO_ANSWER as error:
            raise self._away(error) from error
        if len(responses) != len(calls):
            if len(responses) == 1:
                self._result("batch", responses[0])
            raise NodeAwayError(f"{self.place} answers {len(responses)} of {len(calls)} questions of a batch")
        return responses

    def _away(self, error: Exception) -> NodeAwayError:
        # aiohttp's own words may hold the whole address, and with it a key.
        if isinstance(error, TimeoutError):
            return NodeAwayError(f"{self.place} gave no answer within {self._timeout_ms} ms", is_slow=True)
        words = str(error) if isinstance(error, _StatusError) else type(error).__name__
        return NodeAwayError(f"{self.place} cannot be asked: {words}")

    def _masked(self, words: str) -> str:
        """The node's own words, which may repeat the address it was asked under."""
        for secret in self._secrets:
            words = words.replace(secret, "…")
        return words

    def _result(self, method: str, response: Json) -> Json:
        if not isinstance(response, dict):
            raise NodeAwayError(f"{self.place} answers {method} with no JSON-RPC response")
        error = response.get("error")
        if error is None:
            if "result" not in response:
                raise NodeAwayError(f"{self.place} answers {method} with neither result nor error")
            return response["result"]
        if not isinstance(error, dict):
            raise NodeRefusedError(method, 0, self._masked(str(error)))
        code = error.get("code")
        words = self._masked(str(error.get("message", "")))
        raise NodeRefusedError(method, code if isinstance(code, int) else 0, words, error.get("data"))


def quantity(value: object) -> int:
    """A JSON-RPC quantity (``0x1a``) as an integer.

    Raises:
        NodeAwayError: it is none; the node cannot be believed.
    """
    if isinstance(value, str) and value.startswith("0x") and len(value) <= _MAX_QUANTITY:
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise NodeAwayError(f"the node answers {str(value)[:80]!r} where a quantity must stand")


def _place(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or "?"
    return f"{parts.scheme}://{host}:{parts.port}" if parts.port else f"{parts.scheme}://{host}"


def _secrets(url: str) -> tuple[str, ...]:
    """What of an address may be a key, longest first."""
    parts = urlsplit(url)
    pieces = [*parts.path.split("/"), *re.split("[&=]", parts.query), parts.username or "", parts.password or ""]
    return tuple(sorted({each for each in pieces if len(each) >= _SECRET_LENGTH}, key=len, reverse=True))
