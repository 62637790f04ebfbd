"""What Redis and its client say, translated into the engine's errors: stable code, message, hint, retry class."""

from __future__ import annotations

import re

from redis import exceptions as vendor

from engine.errors import Retry, StoreError

_LATER = Retry.LATER
_NEVER = Retry.NEVER

#: Word of the server → code, what it means, what to do, whether waiting helps. A script's error carries the word
#: somewhere inside its text, so words are searched, not matched at the start.
_WORDS: dict[str, tuple[str, str, str, Retry]] = {
    "NOPERM": ("S104", "Redis forbids this user the command", "grant the user the keys lockstep:* and @all", _NEVER),
    "WRONGTYPE": ("S106", "a key of the engine holds another type", "something else writes lockstep:* keys", _NEVER),
    "OOM": (
        "S107",
        "Redis is at maxmemory and refuses to grow",
        "raise maxmemory or let the journal be trimmed",
        _LATER,
    ),
    "MISCONF": ("S108", "Redis cannot persist and refuses writes", "look at its disk and its log", _LATER),
    "LOADING": ("S109", "Redis is loading its data", "wait; a large append-only file takes a while", _LATER),
    "READONLY": ("S110", "this Redis is a read-only replica", "point --redis at the master or at Sentinel", _LATER),
    "NOREPLICAS": ("S111", "Redis has too few replicas to accept writes", "see min-replicas-to-write", _LATER),
    "MASTERDOWN": ("S111", "this replica has lost its master", "point --redis at the master", _LATER),
    "CLUSTERDOWN": ("S112", "the Redis cluster is down", "see CLUSTER INFO", _LATER),
    "MOVED": ("S112", "this cluster node does not hold the partition", "point --redis at the node that does", _NEVER),
    "ASK": ("S112", "the partition is moving between cluster nodes", "wait for the resharding to end", _LATER),
    "TRYAGAIN": ("S112", "the partition is moving between cluster nodes", "wait for the resharding to end", _LATER),
    "BUSY": ("S113", "Redis is busy in a script", "wait; see lua-time-limit", _LATER),
    "UNKILLABLE": ("S113", "Redis is busy in a script", "wait; see lua-time-limit", _LATER),
    "NOSCRIPT": ("S114", "Redis has forgotten a script", "try again", _LATER),
}
_WORD = re.compile(r"\b(" + "|".join(_WORDS) + r")\b")
_TLS = re.compile(r"SSL|TLS|certificate", re.IGNORECASE)
_AUTH = re.compile(r"WRONGPASS|NOAUTH|invalid password|invalid username|AUTH ", re.IGNORECASE)


def translate(error: Exception, server: str) -> StoreError:
    """The engine's error for one of the client's.

    Args:
        error: what redis-py (or the socket below it) raised.
        server: where, without the password.
    """
    # Over a unix socket the client wraps what went wrong at login in a plain ConnectionError.
    while type(error) is vendor.ConnectionError and isinstance(error.__cause__, vendor.RedisError):
        error = error.__cause__
    text = " ".join(str(error).split())[:500]
    if isinstance(error, vendor.AuthenticationError | vendor.AuthorizationError) or (
        isinstance(error, vendor.ResponseError) and _AUTH.search(text)
    ):
        return StoreError("S103", f"{server} refuses the login: {text}", "check user and password in --redis", _NEVER)
    if isinstance(error, vendor.ResponseError | vendor.BusyLoadingError):
        return _server_said(error, text, server)
    if isinstance(error, vendor.TimeoutError | TimeoutError):
        return StoreError(
            "S102",
            f"{server} did not answer in time: {text}",
            "is it overloaded or paused, or is only one side speaking TLS?",
            _LATER,
        )
    if isinstance(error, vendor.ConnectionError | OSError):
        return _no_connection(error, text, server)
    return StoreError("S119", f"{server}: {type(error).__name__}: {text}", "", _NEVER)


def _server_said(error: Exception, text: str, server: str) -> StoreError:
    # redis-py strips the words it knows from the text and keeps them as the class.
    by_class = {
        vendor.OutOfMemoryError: "OOM",
        vendor.ReadOnlyError: "READONLY",
        vendor.BusyLoadingError: "LOADING",
        vendor.NoScriptError: "NOSCRIPT",
        vendor.NoPermissionError: "NOPERM",
        vendor.MovedError: "MOVED",
        vendor.AskError: "ASK",
        vendor.TryAgainError: "TRYAGAIN",
        vendor.ClusterDownError: "CLUSTERDOWN",
        vendor.MasterDownError: "MASTERDOWN",
    }
    found = _WORD.search(text)
    word = by_class.get(type(error)) or (found.group(1) if found else "")
    if word:
        code, message, hint, retry = _WORDS[word]
        return StoreError(code, f"{message} ({server}: {text})", hint, retry)
    return StoreError("S115", f"{server} refused: {text}", "Redis 6.2 or newer is needed", _NEVER)


def _no_connection(error: Exception, text: str, server: str) -> StoreError:
    if type(error).__name__ == "MasterNotFoundError":
        return StoreError("S117", f"Sentinel names no master: {text}", "check the service name in --redis", _LATER)
    # A socket's path may have any word in it.
    if not server.startswith("unix:") and _TLS.search(text):
        return StoreError("S105", f"{server}: TLS failed: {text}", "check rediss:// and ssl_ca_certs", _NEVER)
    return StoreError("S101", f"cannot reach {server}: {text}", "is Redis running there?", _LATER)
