"""Download one file by http or https within a deadline, whatever the server does."""

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
"""Most attempts at an address whose failures may be temporary."""
BACK_OFF = 0.25
"""Seconds before the second attempt; doubled before each further one."""
SOCKET_TIMEOUT = 10.0
"""Most seconds to wait for the next bytes from a server."""
TICK = 0.1
"""Seconds between two progress reports and between two checks of the deadline."""


class FetchFailed(Exception):
    """A download failed.

    Args:
        reason: what happened, in one line.
        temporary: whether another attempt at the same address may succeed.

    Attributes:
        temporary: as given.
    """

    def __init__(self, reason: str, *, temporary: bool = False) -> None:
        super().__init__(reason)
        self.temporary = temporary


Report = Callable[[int, int | None], None]
"""Takes the bytes received so far and the total, None if the server does not state it."""


def fetch(url: str, *, soft_deadline: float, deadline: float, report: Report, max_bytes: int) -> bytes:
    """Download the bytes at an address; retry after failures that may be temporary (time-out, 5xx, lost connection).

    Args:
        url: http or https.
        soft_deadline: the `time.monotonic` time after which the download continues only if its pace so far would
            finish it before the deadline.
        deadline: the `time.monotonic` time at which the download is abandoned in any case.
        report: called at the start, at the end, and about ten times a second in between; each attempt starts at 0.
        max_bytes: the most that the body may hold; a longer one is not downloaded, or broken off.

    Returns:
        The body of the response.

    Raises:
        FetchFailed: no attempt succeeded; the message says what happened in the last one.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _attempt(url, soft_deadline, deadline, report, max_bytes)
        except FetchFailed as error:
            pause = BACK_OFF * 2 ** (attempt - 1)
            if not error.temporary or attempt == ATTEMPTS or time.monotonic() + pause >= soft_deadline:
                raise FetchFailed(f"{error} ({attempt} attempts)" if attempt > 1 else str(error)) from error
        time.sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _attempt(url: str, soft_deadline: float, deadline: float, report: Report, max_bytes: int) -> bytes:
    begun = time.monotonic()
    if begun >= soft_deadline:
        raise FetchFailed("not tried: no time was left")
    transfer = _Transfer(url, min(SOCKET_TIMEOUT, soft_deadline - begun), max_bytes)
    reported = 0
    report(0, None)
    transfer.start()
    try:
        while not transfer.done.wait(TICK):
            now, received, total = time.monotonic(), transfer.received, transfer.total
            pace = received / (now - begun)
            needed = (total - received) / pace if total is not None and pace else math.inf
            if now >= soft_deadline and now + needed >= deadline:
                size = "" if total is None else f" of {total}"
                raise FetchFailed(f"too slow: {received}{size} bytes in {now - begun:.1f} s" if pace else "timed out")
            if received > reported:
                reported = received
                report(received, total)
    finally:
        transfer.abandoned.set()
    body = transfer.result()
    report(len(body), len(body))
    return body


class _Transfer(Thread):
    """One request in its own thread, so that the deadline holds even where the socket's time-out does not.

    Name look-ups, and servers that send a byte of a header now and then, can outlast any socket time-out. An abandoned
    thread does no harm: it writes nothing, ends by itself, and is a daemon.
    """

    def __init__(self, url: str, timeout: float, max_bytes: int) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.timeout = timeout
        self.max_bytes = max_bytes
        self.total: int | None = None
        self.done = Flag()
        self.abandoned = Flag()
        self._body = bytearray()
        self._error: Exception | None = None

    @property
    def received(self) -> int:
        """Bytes received so far."""
        return len(self._body)

    @property
    def too_long(self) -> bool:
        """Whether the body holds more than allowed, or is going to."""
        return max(self.received, self.total or 0) > self.max_bytes

    def run(self) -> None:
        """Send the request, and keep the body or the error."""
        try:
            request = Request(self.url, headers={"User-Agent": "decda", "Accept-Encoding": "identity"})
            with _web().open(request, timeout=self.timeout) as response:
                self.total = response.length
                while not self.abandoned.is_set() and not self.too_long and (chunk := response.read1(1 << 16)):
                    self._body += chunk
        except Exception as error:
            if isinstance(error, HTTPError):
                error.close()
            self._error = error
        finally:
            self.done.set()

    def result(self) -> bytes:
        """The body of a finished transfer.

        Returns:
            All bytes of it.

        Raises:
            FetchFailed: the transfer failed.
        """
        error: object = self._error
        if isinstance(error, HTTPError):
            temporary = error.code >= 500 or error.code in (408, 429)
            raise FetchFailed(_one_line(f"HTTP {error.code} {error.reason}"), temporary=temporary)
        if isinstance(error, URLError):
            error = error.reason  # the exception that it wraps
        if error is None and self.too_long:
            raise FetchFailed(f"it holds {self.total or 'more'} bytes, more than the {self.max_bytes} allowed")
        short = self.total is not None and self.received < self.total
        if isinstance(error, IncompleteRead) or (error is None and short):
            size = f" of {self.total}" if short else ""
            raise FetchFailed(f"the connection ended after {self.received}{size} bytes", temporary=True)
        if isinstance(error, TimeoutError):
            raise FetchFailed("timed out", temporary=True)
        if isinstance(error, (OSError, HTTPException, ValueError, str)):
            lost = isinstance(error, (ConnectionResetError, ConnectionAbortedError, BrokenPipeError))
            raise FetchFailed(_one_line(str(error) or type(error).__name__), temporary=lost)
        if isinstance(error, Exception):
            raise error
        return bytes(self._body)


def _web() -> OpenerDirector:
    """An opener for http and https only, through the user's proxies: no file://, not even by redirect."""
    opener = OpenerDirector()
    handlers = (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPRedirectHandler)
    for handler in (*handlers, HTTPErrorProcessor, HTTPDefaultErrorHandler, UnknownHandler):
        opener.add_handler(handler())
    return opener


def _one_line(text: str) -> str:
    """A server's text made safe to print."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())[:200]
