"""Capturing a CUDA graph, with fakes for PyTorch's streams that fail the way PyTorch's do."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from decda.core.training.failing_part import first_cause
from decda.core.training.graph_capture import GraphCapture


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A fake device with streams; ending a failed capture raises before the former stream is restored."""
    state = SimpleNamespace(current="user's", replays=0, mode="")

    class Graph:
        def replay(self) -> None:
            state.replays += 1

    @contextmanager
    def graph(graph: Graph, stream: str, capture_error_mode: str = "global") -> Iterator[None]:
        state.mode = capture_error_mode
        former, state.current = state.current, stream
        try:
            yield
        except RuntimeError:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")  # noqa: B904
        state.current = former

    monkeypatch.setattr(torch.cuda, "Stream", lambda: "capture's")
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: state.current)
    monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: setattr(state, "current", stream))
    return state


def test_a_capture_is_replayed(cuda: SimpleNamespace) -> None:
    """Recording calls the function once, on the capture's stream, and returns a function that replays the graph."""
    streams = []
    replay = GraphCapture().record(lambda: streams.append(cuda.current))
    replay()
    replay()
    assert (streams, cuda.replays, cuda.current) == (["capture's"], 2, "user's")


def test_a_capture_lets_other_threads_use_the_device(cuda: SimpleNamespace) -> None:
    """Images may be read into pinned memory while the graph is captured."""
    GraphCapture().record(lambda: None)
    assert cuda.mode == "thread_local"


def test_a_failed_capture_leaves_the_users_stream(cuda: SimpleNamespace) -> None:
    """The stream is restored, and the first cause is found behind the error about a previous error."""

    def fail() -> None:
        raise RuntimeError("a part called .item()")

    with pytest.raises(RuntimeError, match="previous error") as caught:
        GraphCapture().record(fail)
    assert cuda.current == "user's"
    assert str(first_cause(caught.value)) == "a part called .item()"
