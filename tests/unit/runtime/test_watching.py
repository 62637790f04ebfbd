from __future__ import annotations

import pytest

from connectors.base import Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from engine.errors import LeaseLostError, Retry, StoreError
from engine.runtime import watching
from engine.runtime.watching import keep_watching

LOST = LeaseLostError("L103", "epoch 1 may write no more", "another daemon leads")
AWAY = StoreError("S101", "redis is away", "", Retry.LATER)
NEVER = StoreError("S102", "the login is wrong", "", Retry.NEVER)


class Failing(Connector):
    """Fails with one error after another, then watches no more."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__(ConnectorContext("eth"))
        self.errors = list(errors)

    async def send(self, command: OutgoingCommand) -> SendResult:
        return SendResult(SendStatus.DONE)

    async def watch(self) -> None:
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "FIRST_WAIT_MS", 1)
    monkeypatch.setattr(watching, "LONGEST_WAIT_MS", 2)


@pytest.mark.parametrize("error", [LOST, NEVER])
async def test_what_waiting_does_not_help_is_found_among_the_errors_of_several_tasks(error: Exception) -> None:
    connector = Failing(
        ExceptionGroup("halves", [ExceptionGroup("within", [AWAY, error] if error is LOST else [error])])
    )
    with pytest.raises(ExceptionGroup) as caught:
        await keep_watching([connector])
    assert caught.value.exceptions == (error,)


async def test_several_tasks_that_fail_otherwise_are_begun_again_together() -> None:
    connector = Failing(ExceptionGroup("halves", [AWAY, ValueError("a bug")]), AWAY, ValueError("a bug"))
    await keep_watching([connector])
    assert connector.errors == []
