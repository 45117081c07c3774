"""Shared fixtures of the core's tests: a local mirror whose answers each test defines."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from decda.core import download

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each path with the function that the test has set for it."""

    server: "Server"

    def do_GET(self) -> None:
        """Record the request, and answer it."""
        self.server.requests.append(self.path)
        self.server.answers[self.path](self)

    def log_message(self, *args: object) -> None:
        """Log nothing."""

    def give(self, body: bytes, *, status: int = 200, length: int | None = None, **headers: str) -> None:
        """Send a complete answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """A local mirror."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.stopping = Event()

    def handle_error(self, *args: object) -> None:
        """Ignore clients that hang up."""

    def url(self, path: str, answer: Answer) -> str:
        """Set the answer for a path, and return its URL."""
        self.answers[path] = answer
        return f"http://127.0.0.1:{self.server_port}{path}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A local mirror, accessed without a proxy and retried without delay."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "BACK_OFF", 0.01)
    with Server() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()
