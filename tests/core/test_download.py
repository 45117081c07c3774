"""Downloading from one URL, with everything that a server may do."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from decda.core import download
from decda.core.download import FetchFailed, fetch

BODY = b"0123456789" * 1000

Answer = Callable[[Any], None]


def get(
    url: str, *, soft_deadline: float = 5.0, deadline: float = 5.0, max_bytes: int = len(BODY)
) -> tuple[bytes, list[tuple[int, int | None]]]:
    """Fetch a URL, with deadlines in seconds from now, and return the bytes and the reports."""
    now = time.monotonic()
    reports: list[tuple[int, int | None]] = []
    body = fetch(
        url,
        soft_deadline=now + soft_deadline,
        deadline=now + deadline,
        report=lambda received, total: reports.append((received, total)),
        max_bytes=max_bytes,
    )
    return body, reports


def ok(handler: Any) -> None:
    handler.give(BODY)


def no_length(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + BODY)


def short(handler: Any) -> None:
    handler.give(BODY[:-5], length=len(BODY))


def short_chunk(handler: Any) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc")


def hang(handler: Any) -> None:
    handler.server.stopping.wait(10)


def drip(handler: Any) -> None:
    """Send a byte of the body now and then, without end."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(BODY)))
    handler.end_headers()
    while not handler.server.stopping.wait(0.05):
        handler.wfile.write(b"x")


def drip_header(handler: Any) -> None:
    """Send a byte of the header now and then, so that no single wait is long."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
    while not handler.server.stopping.wait(0.05):
        handler.wfile.write(b"x")


def steady(handler: Any) -> None:
    """Send the complete body within half a second."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(BODY)))
    handler.end_headers()
    for at in range(0, len(BODY), 1000):
        handler.wfile.write(BODY[at : at + 1000])
        time.sleep(0.05)


def to(address: str) -> Answer:
    """A redirect."""
    return lambda handler: handler.give(b"", status=302, Location=address)


@pytest.mark.parametrize("answer", [ok, no_length])
def test_body(server: Any, answer: Answer) -> None:
    """The body is returned, and progress is reported at the start and at the end."""
    body, reports = get(server.url("/a", answer))
    assert body == BODY
    assert reports[0] == (0, None)
    assert reports[-1] == (len(BODY), len(BODY))


def test_redirect(server: Any) -> None:
    """A redirect to another http address is followed."""
    assert get(server.url("/a", to(server.url("/b", ok))))[0] == BODY


@pytest.mark.parametrize(
    ("answer", "asked", "said"),
    [
        (lambda handler: handler.give(b"", status=404), 1, "HTTP 404 Not Found$"),
        (lambda handler: handler.give(b"", status=503), 3, "HTTP 503 .*3 attempts"),
        (lambda handler: handler.give(b"", status=429), 3, "HTTP 429 .*3 attempts"),
        (short, 3, f"ended after {len(BODY) - 5} of {len(BODY)} bytes .3 attempts"),
        (short_chunk, 3, "ended after [03] bytes .3 attempts"),
        (lambda handler: None, 3, "closed connection .*3 attempts"),
        (lambda handler: handler.wfile.write(b"SSH-2.0\x1b[31m\r\n"), 1, r"^SSH-2\.0\[31m$"),
        (to("file:///etc/hostname"), 1, "HTTP 302 .*not allowed"),
        (to("/a"), 5, "HTTP 302 .*infinite loop"),
    ],
    ids=["404", "503", "429", "short", "short-chunk", "closed", "no-http", "to-file", "loop"],
)
def test_failures(server: Any, answer: Answer, asked: int, said: str) -> None:
    """A failure is reported in one printable line, and retried only if it may be temporary."""
    with pytest.raises(FetchFailed, match=said):
        get(server.url("/a", answer))
    assert server.requests == ["/a"] * asked


@pytest.mark.parametrize(("answer", "said"), [(hang, "timed out"), (drip, "too slow"), (drip_header, "timed out")])
def test_deadline(server: Any, answer: Answer, said: str) -> None:
    """A slow server is given up in time, whatever the cause of the delay."""
    begun = time.monotonic()
    with pytest.raises(FetchFailed, match=said):
        get(server.url("/a", answer), soft_deadline=0.2, deadline=0.4)
    assert 0.2 <= time.monotonic() - begun < 2


def test_temporary_failures(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download succeeds if the server first hangs, then reports an error and then answers."""
    monkeypatch.setattr(download, "SOCKET_TIMEOUT", 0.1)
    answers = iter([hang, lambda handler: handler.give(b"", status=500), ok])
    body, reports = get(server.url("/a", lambda handler: next(answers)(handler)))
    assert body == BODY
    assert reports.count((0, None)) == 3


def test_slow_but_in_time(server: Any) -> None:
    """A server may exceed the soft deadline if at its current rate it will finish before the deadline."""
    body, reports = get(server.url("/a", steady), soft_deadline=0.2, deadline=9)
    assert body == BODY
    assert any(0 < received < len(BODY) and total == len(BODY) for received, total in reports)


def test_no_time_left(server: Any) -> None:
    """If no time is left, no request is sent."""
    with pytest.raises(FetchFailed, match="no time was left"):
        get(server.url("/a", ok), soft_deadline=0, deadline=0)
    assert server.requests == []


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/a", "no address", "http://127.0.0.1:1/a"])
def test_unusable_address(url: str) -> None:
    """A URL that is invalid, neither http nor https, or refuses connections fails at once."""
    with pytest.raises(FetchFailed, match=r"unknown url type|refused"):
        get(url)


def endless(handler: Any) -> None:
    """Send a body without a length and without an end."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while not handler.server.stopping.is_set():
        handler.wfile.write(bytes(2**16))


@pytest.mark.parametrize(("answer", "size"), [(ok, "10000"), (no_length, "more"), (endless, "more")])
def test_a_body_that_is_too_long(server: Any, answer: Answer, size: str) -> None:
    """A body that holds more than allowed, whether it says so or not, is broken off, and not asked for again."""
    with pytest.raises(FetchFailed, match=f"it holds {size} bytes, more than the 9999 allowed"):
        get(server.url("/a", answer), max_bytes=9999)
    assert server.requests == ["/a"]
