"""Whatever comes back, nothing becomes failed but what is said to be, and nothing that is told was rounded."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.poll.exact import AnswerError, Json, read_json
from connectors.poll.telling import Told, tell
from tests.unit.poll.reading import SUBJECTS, shipped
from tests.unit.poll.samples import ARRIVALS

WORDS = st.sampled_from(
    [
        *("status", "substatus", "state", "messages", "transfers", "0x", "complete", "failed", "FAILURE"),
        *("NOT_FOUND", "INVALID", "PENDING", "DONE", "FAILED", "COMPLETED", "REFUNDED"),
        *("STATE_COMPLETED_ERROR", "STATE_ABANDONED"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**300), 2**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | WORDS
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4)
)
STATUSES = st.sampled_from([200, 404])


def places(document: Json, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, Json]:
    """A real answer of one of the APIs, with some of its values replaced by anything."""
    name, whole = draw(st.sampled_from(ARRIVALS))
    document = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(document)))
        value = draw(ANYTHING)
        if not path:
            document = value
            break
        inner = document
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
    return name, document


def read(name: str, document: Json, status: int) -> tuple[Json, Told | None]:
    answer = read_json(json.dumps(document).encode())
    try:
        return answer, tell(shipped(name), SUBJECTS[name], status, answer)
    except AnswerError:
        return answer, None


def says_failed(name: str, answer: Json) -> bool:
    """The API's own word for it, somewhere: nothing else may become a failure."""
    if not isinstance(answer, dict):
        return False
    if name == "lifi":
        return answer.get("status") == "FAILED"
    if name == "skip":
        transfers = answer.get("transfers") or [answer]
        each = [t for t in transfers if isinstance(t, dict)] if isinstance(transfers, list) else []
        return any("STATE_COMPLETED_ERROR" in (t.get("state"), t.get("status")) for t in each)
    return False


def floats(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return [found for each in value.values() for found in floats(each)]
    if isinstance(value, list):
        return [found for each in value for found in floats(each)]
    return [value] if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)) else []


def check(name: str, document: Json, status: int) -> None:
    answer, found = read(name, document, status)
    if found is None:
        return
    for fact in found.facts:
        assert not floats(dict(fact.data)), "numbers are told as decimal texts"
        json.dumps(fact.data).encode()
        if fact.data.get("state") == "failed":
            assert says_failed(name, answer)
            assert status != 404 or name != "circle"
        if fact.kind == "transfer":
            assert fact.data["amount"].lstrip("-").isdigit()


@given(st.sampled_from(["lifi", "skip", "circle"]), ANYTHING, STATUSES)
def test_whatever_json_comes_nothing_is_failed_but_what_says_so(name: str, document: Json, status: int) -> None:
    check(name, document, status)


@given(damaged(), STATUSES)
def test_a_damaged_answer_is_not_read_as_a_failure(sample: tuple[str, Json], status: int) -> None:
    check(*sample, status)


def test_the_whole_samples_say_something() -> None:
    assert {name for name, _ in ARRIVALS} == {"lifi", "skip", "circle"}
    assert all(read(name, document, 200)[1] is not None for name, document in ARRIVALS)
