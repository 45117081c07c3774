"""What several tests of the core need: a mirror on this machine, answering as a test says."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest

from decda.core import download

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers a path as the test's table says."""

    server: "Server"

    def do_GET(self) -> None:
        """Note the request, and answer."""
        self.server.requests.append(self.path)
        self.server.answers[self.path](self)

    def log_message(self, *args: object) -> None:
        """Be quiet."""

    def give(self, body: bytes, *, status: int = 200, length: int | None = None, **headers: str) -> None:
        """A whole answer."""
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
        """A client that hangs up is no news."""

    def url(self, path: str, answer: Answer) -> str:
        """Have a path answered so; its address."""
        self.answers[path] = answer
        return f"http://127.0.0.1:{self.server_port}{path}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A mirror that is asked without a proxy, and again without delay."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "BACK_OFF", 0.01)
    with Server() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()
