"""A real node behind a bad line: at times no answer, a refusal, or an answer that makes no sense."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from web3.types import RPCResponse

from connectors.evm.node import Call, Json, Node, NodeAwayError

#: What stands in the place of a result. None of it can be taken for another true answer.
_NONSENSE: tuple[Any, ...] = ("0x", "0xzz", "", 7, True, {}, {"number": "0x1"}, [{}], [None], "a text")


class FlakyNode(Node):
    """Asks the real node, and spoils one answer in so many."""

    def __init__(self, url: str, timeout_ms: int, chance: Random, one_in: int) -> None:
        super().__init__(url, timeout_ms)
        self._chance = chance
        self._one_in = one_in

    async def call(self, method: str, *params: Json) -> Json:
        return self._result(method, self._spoiled([{"result": await super().call(method, *params)}])[0])

    async def _request(self, calls: Sequence[Call]) -> list[RPCResponse]:
        return self._spoiled(list(await super()._request(calls)))

    def _spoiled(self, responses: list[Any]) -> list[Any]:
        if self._chance.randrange(self._one_in):
            return responses
        place = self._chance.randrange(len(responses))
        match self._chance.randrange(4):
            case 0:
                raise NodeAwayError("the line is cut", is_slow=bool(self._chance.randrange(2)))
            case 1:
                responses[place] = {"error": {"code": -32005, "message": "limit exceeded"}}
            case 2:
                responses[place] = {"result": self._chance.choice(_NONSENSE)}
            case _:
                self._spoil_part(responses[place])
        return responses

    def _spoil_part(self, response: Any) -> None:  # noqa: ANN401 - any JSON
        inside = response.get("result")
        while isinstance(inside, list) and inside:
            inside = self._chance.choice(inside)
        if isinstance(inside, dict):
            # Numbers and hashes of a block or a log; a spoilt `data` of a log would be another event.
            names = [name for name in inside if name in _PARTS]
            if names:
                inside[self._chance.choice(names)] = self._chance.choice(_NONSENSE)


_HEADER = ("number", "hash", "parentHash", "timestamp")
_PARTS = (*_HEADER, "blockHash", "blockNumber", "transactionHash", "logIndex", "topics")
