"""Webhooks out: one POST a command, signed, under its id."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.base import Capabilities, Connector, ConnectorContext, OutgoingCommand, SendResult, SendStatus
from connectors.guard import EgressRefusedError, Guard, UnresolvedError, target_of
from connectors.web import Answer, NoAnswerError, NotSentError, Web
from engine.clock import wall_ms
from engine.errors import ConfigError, LockstepError, Retry

#: Prefix of a secret in the form of Standard Webhooks: base64 follows.
_WHSEC: Final = "whsec_"
#: Bytes a signing secret must have at least (Standard Webhooks asks for 24 to 64).
_MIN_SECRET: Final = 24
_MAX_RETRY_AFTER_MS: Final = 3_600_000
#: Answers after which the request may or may not have taken effect, and the same one may be made again.
_UNCERTAIN: Final = frozenset({408, 409})
#: Answers that say "not now": nothing was done.
_NOT_NOW: Final = frozenset({425, 429})
#: Redirects that say that nothing was done; the others may follow upon the deed.
_MOVED: Final = frozenset({307, 308})
#: Answers about the address or the credentials, not about the command.
_AT_THE_DOOR: Final = frozenset({401, 403, 404, 405, 407, 410})
_NOT_IMPLEMENTED: Final = 501
_SAID_CHARS: Final = 500

_Options = TypeVar("_Options", bound=BaseModel)


class HttpOptions(BaseModel):
    """``options`` of a connector of type ``http``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None
    verbs: dict[str, str] = Field(default_factory=dict)
    secret_env: str | None = None
    headers_env: dict[str, str] = Field(default_factory=dict)
    success: Literal["sent", "done"] = "sent"
    allow: tuple[str, ...] = ()
    ca_file: str | None = None
    timeout_ms: Annotated[int, Field(gt=0, le=600_000)] = 10_000
    max_answer_bytes: Annotated[int, Field(ge=0, le=16 * 1024 * 1024)] = 64 * 1024


class HttpConnector(Connector):
    """Posts each command as JSON to its verb's URL, or the one URL.

    The body has ``command`` (the id), ``connector``, ``verb``, ``args``, ``rule``, ``coordination``, ``expires`` (unix
    ms or null), ``attempt`` and ``epoch``. The headers are those of Standard Webhooks: ``webhook-id``,
    ``webhook-timestamp`` (unix seconds) and ``webhook-signature`` (``v1,`` and the base64 of HMAC-SHA256 over
    ``id.timestamp.body``), and ``Idempotency-Key``, the id again. A receiver verifies the signature over the raw body,
    refuses old timestamps, and acts once per id.

    What the answer means: 2xx: taken (``success: done``: done), or what its JSON body says in ``status`` and
    ``detail``. 307, 308: not done, and tried again, for a redirect is never followed; other 3xx: unknown, for they may
    follow upon the deed. 408, 409, 5xx, and no whole answer: unknown, and the same id is tried again; 425, 429: not
    now, tried again. ``Retry-After`` is kept to, up to an hour. 501 and other 4xx: refused; but 401, 403, 404, 405, 407
    and 410, which speak of the address or the credentials, end no command that was tried before: they are tried again.
    No connection: tried again.
    """

    def __init__(self, context: ConnectorContext) -> None:
        super().__init__(context)
        options = read_options(HttpOptions, context, "C163")
        self._urls = dict(options.verbs)
        self._url = options.url
        if self._url is None and not self._urls:
            raise ConfigError("C164", f"{_owner(context)}: there is no URL", "give `url`, or `verbs` with a URL each")
        for url in (*self._urls.values(), *([self._url] if self._url else [])):
            target_of(url, _owner(context))
        if self._url is None:
            self.capabilities = Capabilities(verbs=frozenset(self._urls))
        self._success = SendStatus(options.success)
        self._secret = None if options.secret_env is None else _secret(options.secret_env, context)
        self._headers = {name: environment(env, context) for name, env in options.headers_env.items()}
        guard = Guard(options.allow, _owner(context))
        self._web = Web(guard, options.timeout_ms, options.max_answer_bytes, options.ca_file)

    async def send(self, command: OutgoingCommand) -> SendResult:
        """Posts it once."""
        body = _body(command)
        url = self._urls.get(command.verb) or self._url or ""
        try:
            answer = await self._web.ask("POST", url, self._signed(command.id, body), body)
        except (EgressRefusedError, NotSentError, UnresolvedError) as error:
            # Nothing left by this try. LATER, for that says nothing of an earlier one whose answer was lost.
            return SendResult(SendStatus.FAILED, _why(error), Retry.LATER)
        except NoAnswerError as error:
            return SendResult(SendStatus.UNKNOWN, _why(error), Retry.LATER)
        return result_of(answer, self._success, wall_ms(), command.attempt)

    async def stop(self) -> None:
        """Closes its connections."""
        await self._web.close()

    def _signed(self, command_id: str, body: bytes) -> dict[str, str]:
        seconds = str(wall_ms() // 1000)
        headers = {
            **self._headers,
            "Content-Type": "application/json",
            "User-Agent": "lockstep",
            "Idempotency-Key": command_id,
            "webhook-id": command_id,
            "webhook-timestamp": seconds,
        }
        if self._secret is not None:
            signed = b".".join((command_id.encode(), seconds.encode(), body))
            mac = hmac.new(self._secret, signed, hashlib.sha256).digest()
            headers["webhook-signature"] = "v1," + base64.b64encode(mac).decode()
        return headers


def result_of(answer: Answer, success: SendStatus, now_ms: int, attempt: int = 1) -> SendResult:
    """What an answer to that try of a command says of it; see HttpConnector."""
    detail: dict[str, Any] = {"http_status": answer.status}
    after_ms = retry_after_ms(answer.headers, now_ms)
    match answer.status:
        case status if 200 <= status < 300:
            return _taken(answer, success, detail)
        case status if status in _MOVED:
            # Not the receiver's word on the command, so it must not end one that an earlier try may have carried out.
            return SendResult(
                SendStatus.FAILED, detail | {"reason": "redirected; redirects are not followed"}, Retry.LATER, after_ms
            )
        case status if 300 <= status < 400:
            return SendResult(SendStatus.UNKNOWN, detail | {"reason": "redirected; redirects are not followed"})
        case status if status in _NOT_NOW:
            return SendResult(SendStatus.FAILED, detail | _said(answer), Retry.LATER, after_ms)
        case status if status in _UNCERTAIN or (status >= 500 and status != _NOT_IMPLEMENTED):
            return SendResult(SendStatus.UNKNOWN, detail | _said(answer), Retry.LATER, after_ms)
        case status if status in _AT_THE_DOOR and attempt > 1:
            return SendResult(SendStatus.FAILED, detail | _said(answer), Retry.LATER, after_ms)
        case status if status >= 400:
            return SendResult(SendStatus.REFUSED, detail | _said(answer))
    return SendResult(SendStatus.UNKNOWN, detail, Retry.LATER)


def retry_after_ms(headers: Mapping[str, str], now_ms: int) -> int:
    """``Retry-After`` (seconds, or a date) as ms from now, at most an hour; 0 without one, or with one that is over."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        wanted = int(text[:9]) * 1000
    else:
        try:
            wanted = int(parsedate_to_datetime(text).timestamp()) * 1000 - now_ms
        except (TypeError, ValueError):
            return 0
    return max(0, min(wanted, _MAX_RETRY_AFTER_MS))


def read_options(model: type[_Options], context: ConnectorContext, code: str) -> _Options:
    """The options as the model.

    Raises:
        ConfigError: under that code, with every wrong value's place and what is wrong with it.
    """
    try:
        return model.model_validate(context.options)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        known = ", ".join(model.model_fields)
        raise ConfigError(code, f"{_owner(context)}: options: {wrong}", f"options are {known}") from error


def environment(name: str, context: ConnectorContext) -> str:
    """A secret from the environment.

    Raises:
        ConfigError: the variable is not set (C165).
    """
    value = os.environ.get(name, "")
    if not value:
        raise ConfigError("C165", f"{_owner(context)}: ${name} is not set", "set it where the daemon is started")
    return value


def _secret(name: str, context: ConnectorContext) -> bytes:
    text = environment(name, context)
    try:
        secret = (
            base64.b64decode(text.removeprefix(_WHSEC), validate=True) if text.startswith(_WHSEC) else text.encode()
        )
    except binascii.Error as error:
        hint = f"after {_WHSEC} comes base64"
        raise ConfigError("C166", f"{_owner(context)}: ${name} is no signing secret", hint) from error
    if len(secret) < _MIN_SECRET:
        message = f"{_owner(context)}: the secret in ${name} has {len(secret)} bytes"
        raise ConfigError("C166", message, f"give at least {_MIN_SECRET} random bytes")
    return secret


def _owner(context: ConnectorContext) -> str:
    return f"connector '{context.name}'"


def _body(command: OutgoingCommand) -> bytes:
    content = {
        "command": command.id,
        "connector": command.connector,
        "verb": command.verb,
        "args": command.arguments(),
        "rule": command.rule,
        "coordination": command.coordination,
        "expires": command.expires_ms,
        "attempt": command.attempt,
        "epoch": command.epoch,
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _taken(answer: Answer, success: SendStatus, detail: dict[str, Any]) -> SendResult:
    """2xx: the receiver's word, if it gives one."""
    try:
        said = json.loads(answer.body, parse_float=str) if answer.body and not answer.was_cut else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or "status" not in said:
        return SendResult(success, detail)
    told = said.get("detail")
    detail |= {"answer": told} if told is not None else {}
    match said["status"]:
        case "submitted" | "done" | "refused" | "failed" | "unknown" | "sent" as status:
            return SendResult(SendStatus(status), detail)
    return SendResult(success, detail | {"answer": said})


def _said(answer: Answer) -> dict[str, str]:
    text = answer.body.decode("utf-8", "replace")[:_SAID_CHARS].strip()
    return {"reason": text} if text else {}


def _why(error: LockstepError) -> dict[str, str]:
    return {"code": error.code, "reason": error.message}
