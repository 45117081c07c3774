"""One file from one address by http or https, within a given time whatever the server does."""

import math
import time
from collections.abc import Callable
from http.client import HTTPException, IncompleteRead
from threading import Event as Flag
from threading import Thread
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

ATTEMPTS = 3
"""How often an address is asked when what went wrong may pass."""
BACK_OFF = 0.25
"""Seconds before the second attempt; doubled before each further one."""
SOCKET_TIMEOUT = 10.0
"""Longest wait in seconds for a server's next bytes."""
TICK = 0.1
"""Seconds between two reports, and between two looks at the clock."""


class FetchFailed(Exception):
    """An address gave no content.

    Attributes:
        may_pass: whether another attempt at the same address may do better.
    """

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


Report = Callable[[int, int | None], None]
"""Message the bytes so far, and in all where the server says so."""


def fetch(url: str, *, share: float, deadline: float, report: Report) -> bytes:
    """The bytes at an address, asked again where what went wrong may pass (time-out, 5xx, cut connection).

    Args:
        url: http or https.
        share: the time of `time.monotonic` after which the server goes on only if at its pace it will be done before
            the deadline.
        deadline: the time at which it is given up in any case.
        report: called at the start, the end and some ten times a second between; begins anew with each attempt.

    Raises:
        FetchFailed: with what happened.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _attempt(url, share, deadline, report)
        except FetchFailed as error:
            pause = BACK_OFF * 2 ** (attempt - 1)
            if not error.may_pass or attempt == ATTEMPTS or time.monotonic() + pause >= share:
                raise FetchFailed(f"{error} ({attempt} attempts)" if attempt > 1 else str(error)) from error
        time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _attempt(url: str, share: float, deadline: float, report: Report) -> bytes:
    begun = time.monotonic()
    if begun >= share:
        raise FetchFailed("not asked: no time was left")
    transfer = _Transfer(url, min(SOCKET_TIMEOUT, share - begun))
    told = 0
    report(0, None)
    transfer.start()
    try:
        while not transfer.done.wait(TICK):
            now, received, total = time.monotonic(), transfer.received, transfer.total
            pace = received / (now - begun)
            needed = (total - received) / pace if total is not None and pace else math.inf
            if now >= share and now + needed >= deadline:
                size = "" if total is None else f" of {total}"
                raise FetchFailed(f"too slow: {received}{size} bytes in {now - begun:.1f} s" if pace else "timed out")
            if received > told:
                told = received
                report(received, total)
    finally:
        transfer.abandoned.set()
    body = transfer.result()
    report(len(body), len(body))
    return body


class _Transfer(Thread):
    """One request, in a thread of its own: a deadline then holds even where a socket's time-out does not.

    Name look-ups, and servers that send a byte of header now and then, can outlast any time-out of the socket. A thread
    left behind ends by itself and hinders nobody: it writes nothing, and is a daemon.
    """

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.timeout = timeout
        self.total: int | None = None
        self.done = Flag()
        self.abandoned = Flag()
        self._body = bytearray()
        self._error: Exception | None = None

    @property
    def received(self) -> int:
        """Bytes so far."""
        return len(self._body)

    def run(self) -> None:
        """Ask, and keep what comes: the body or the error."""
        try:
            request = Request(self.url, headers={"User-Agent": "decda", "Accept-Encoding": "identity"})
            with _web().open(request, timeout=self.timeout) as response:
                self.total = response.length
                while not self.abandoned.is_set() and (chunk := response.read1(1 << 16)):
                    self._body += chunk
        except Exception as error:
            if isinstance(error, HTTPError):
                error.close()
            self._error = error
        finally:
            self.done.set()

    def result(self) -> bytes:
        """The body, once done; else FetchFailed."""
        error: object = self._error
        if isinstance(error, HTTPError):
            passing = error.code >= 500 or error.code in (408, 429)
            raise FetchFailed(_one_line(f"HTTP {error.code} {error.reason}"), may_pass=passing)
        if isinstance(error, URLError):
            error = error.reason  # what a failing connection is wrapped in
        short = self.total is not None and self.received < self.total
        if isinstance(error, IncompleteRead) or (error is None and short):
            size = f" of {self.total}" if short else ""
            raise FetchFailed(f"the connection ended after {self.received}{size} bytes", may_pass=True)
        if isinstance(error, TimeoutError):
            raise FetchFailed("timed out", may_pass=True)
        if isinstance(error, (OSError, HTTPException, ValueError, str)):
            cut = isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError))
            raise FetchFailed(_one_line(str(error) or type(error).__name__), may_pass=cut)
        if isinstance(error, Exception):
            raise error
        return bytes(self._body)


def _web() -> OpenerDirector:
    """Access to http and https through the user's proxies, and to nothing else: no file://, not even by redirect."""
    opener = OpenerDirector()
    handlers = (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPRedirectHandler)
    for handler in (*handlers, HTTPErrorProcessor, HTTPDefaultErrorHandler, UnknownHandler):
        opener.add_handler(handler())
    return opener


def _one_line(text: str) -> str:
    """A server's words, fit to be printed."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:200]
