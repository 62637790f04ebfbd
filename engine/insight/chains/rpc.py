"""Asks a node over JSON-RPC, one question at a time, and waits for the answer."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from typing import Any, Final, TypeAlias

from engine.errors import Retry
from engine.insight.chains.problems import ChainError

#: What JSON holds.
Json: TypeAlias = Any
_TIMEOUT_S: Final = 20
_IDS: Final = itertools.count(1)


def ask(url: str, method: str, *params: Json) -> Json:
    """The ``result`` of one method.

    Args:
        url: ``http://…`` of a node on this machine.
        method: of JSON-RPC.
        params: its parameters.

    Raises:
        ChainError: X154, the node refuses it, or does not answer.
    """
    asked = {"jsonrpc": "2.0", "id": next(_IDS), "method": method, "params": list(params)}
    request = urllib.request.Request(  # noqa: S310 - always http, to this machine
        url, json.dumps(asked).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - as above
            answer = json.load(response)
    except (OSError, ValueError) as error:
        raise ChainError("X154", f"{method}: the node at {url} does not answer: {error}", retry=Retry.LATER) from error
    if "error" in answer:
        raise ChainError("X154", f"{method}: {answer['error'].get('message', answer['error'])}")
    return answer["result"]
