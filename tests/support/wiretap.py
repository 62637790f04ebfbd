"""A wire between a program and its node, on which a test may stop everything at a place it names.

What is stopped is never passed on afterwards: it was on the wire when the program died.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

SENDING: Final = b"eth_sendRawTransaction"
_PATIENCE_S = 20


@dataclass(frozen=True)
class Stop:
    """Where to stop: at the sending of a transaction, or so many questions after it.

    Attributes:
        questions: after the sending's own; 0: at the sending itself.
        has_reached_node: the question was passed on, and its answer is what gets lost.
    """

    questions: int
    has_reached_node: bool


class Wiretap:
    """Passes JSON-RPC on to a node."""

    def __init__(self, target: Callable[[], str]) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._stop: Stop | None = None
        self._left: int | None = None
        self._reached = threading.Event()
        self._cut = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def arm(self, stop: Stop) -> None:
        """Stop there, the next time."""
        with self._lock:
            self._stop, self._left = stop, None
            self._reached.clear()
            self._cut.clear()

    def wait_reached(self) -> None:
        """The place is reached; what is on the wire waits there."""
        assert self._reached.wait(_PATIENCE_S), "the place was never reached"

    def cut(self) -> None:
        """What waits on the wire is lost; from now on everything passes."""
        with self._lock:
            self._stop = self._left = None
            self._cut.set()

    def close(self) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()

    def _stops_here(self, body: bytes) -> Stop | None:
        """Counts from the sending on; once the place is reached, nothing passes any more."""
        with self._lock:
            if self._stop is None:
                return None
            if self._left is None:
                if SENDING not in body:
                    return None
                self._left = self._stop.questions
            else:
                self._left -= 1
            return self._stop if self._left <= 0 else None

    def pass_on(self, body: bytes) -> bytes | None:
        """The node's answer; None: it is lost."""
        stop = self._stops_here(body)
        if stop is not None and not stop.has_reached_node:
            self._wait()
            return None
        request = urllib.request.Request(  # noqa: S310 - always http, to this machine
            self._target(), body, {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE_S) as response:  # noqa: S310 - as above
                answer: bytes = response.read()
        except (urllib.error.URLError, OSError):
            return None
        if stop is not None:
            self._wait()
            return None
        return answer

    def _wait(self) -> None:
        self._reached.set()
        self._cut.wait(_PATIENCE_S)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                answer = wire.pass_on(self.rfile.read(int(self.headers["content-length"])))
                if answer is None:
                    self.close_connection = True
                    return
                with suppress(ConnectionError):  # the program was killed before it had its answer
                    self.send_response(200)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        return Handler
