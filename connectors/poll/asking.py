"""One question to the API, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connectors.guard import EgressRefusedError, UnresolvedError
from connectors.http import retry_after_ms
from connectors.poll.exact import AnswerError, Json, read_json
from connectors.poll.mapping import ApiMapping
from connectors.web import Answer, NoAnswerError, NotSentError, Web
from engine.clock import wall_ms
from engine.errors import LockstepError, Retry

_NOT_MODIFIED: Final = 304
#: Statuses that speak of the API or of the credentials, not of what was asked.
_AWAY: Final = frozenset({401, 403, 407, 408, 425, 429})
_SAID_CHARS: Final = 200


class ApiAwayError(LockstepError):
    """The API gives no answer now, to whatever it is asked (C186).

    Attributes:
        after_ms: it asks not to be asked again sooner; ms from now.
    """

    def __init__(self, message: str, after_ms: int = 0) -> None:
        super().__init__("C186", message, "it is asked again, ever more slowly", Retry.LATER)
        self.after_ms = after_ms


@dataclass(frozen=True, slots=True)
class Version:
    """What an answer said of its own version, to ask whether it changed."""

    etag: str = ""
    modified: str = ""

    def headers(self) -> dict[str, str]:
        """Of a request that need not be answered in full if nothing changed."""
        etag = {"If-None-Match": self.etag} if self.etag else {}
        return etag | ({"If-Modified-Since": self.modified} if self.modified else {})


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of the API.

    Attributes:
        status: of HTTP.
        document: its JSON.
        version: to ask again with.
    """

    status: int
    document: Json
    version: Version


class Asker:
    """Asks one API."""

    def __init__(
        self, mapping: ApiMapping, web: Web, base_url: str | None, headers: Mapping[str, str], timeout_ms: int
    ) -> None:
        self._mapping = mapping
        self._web = web
        self._base_url = base_url
        self._headers = {"Accept": "application/json", "User-Agent": "lockstep", **mapping.headers, **headers}
        self._timeout_ms = timeout_ms

    async def ask(self, subject: Mapping[str, str], version: Version | None) -> Said | None:
        """The answer about that subject; None: it is the one of that version.

        Raises:
            ApiAwayError: the API gives none now.
            AnswerError: what came is none (C180, C184), or the subject cannot be asked about (C182, C183).
        """
        url = self._mapping.url(subject, self._base_url)
        conditional = version.headers() if version is not None else {}
        try:
            # The client's own bounds are for each read: an answer that drips would take for ever.
            async with asyncio.timeout(self._timeout_ms / 1000):
                answer = await self._web.ask("GET", url, self._headers | conditional, b"")
        except TimeoutError as error:
            raise ApiAwayError(f"no whole answer within {self._timeout_ms} ms") from error
        except (EgressRefusedError, UnresolvedError, NotSentError, NoAnswerError) as error:
            raise ApiAwayError(f"{error.code} {error.message}") from error
        if answer.status == _NOT_MODIFIED and conditional:
            return None
        return self._read(answer)

    def _read(self, answer: Answer) -> Said:
        is_read = 200 <= answer.status < 300 or answer.status in self._mapping.statuses
        if not is_read:
            if answer.status >= 500 or answer.status in _AWAY:
                after_ms = retry_after_ms(answer.headers, wall_ms())
                raise ApiAwayError(f"it answers {answer.status}{_words(answer)}", after_ms)
            hint = "see what the URL answers with curl; `answers` of the mapping lists further statuses to be read"
            raise AnswerError("C184", f"it answers {answer.status}{_words(answer)}", hint)
        if answer.was_cut:
            raise AnswerError("C180", f"an answer of more than {len(answer.body)} bytes", "raise `max_answer_bytes`")
        version = Version(answer.headers.get("etag", ""), answer.headers.get("last-modified", ""))
        return Said(answer.status, self._document(answer), version)

    def _document(self, answer: Answer) -> Json:
        try:
            return read_json(answer.body)
        except AnswerError:
            # "Not found" is said in any form.
            if answer.status in self._mapping.statuses:
                return None
            raise


def _words(answer: Answer) -> str:
    text = " ".join(answer.body.decode("utf-8", "replace").split())[:_SAID_CHARS]
    return f": {text}" if text else ""
