"""A function captured as a CUDA graph: recorded once, replayed at the cost of one launch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


class Capture:
    """Records calls on a stream of its own, as PyTorch asks for.

    What is recorded is repeated on the same memory: inputs are read from buffers that are filled before a replay, and
    everything that lasts is changed in place.
    """

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()

    @contextmanager
    def warming_up(self) -> Iterator[None]:
        """Calls made in here do their work as ever, on the stream of the capture.

        What libraries allocate at a first call (workspaces, the optimizer's state) then exists before recording.
        """
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            yield
        current.wait_stream(self.stream)

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        """Record a call, without doing its work; what is returned does it.

        Raises:
            RuntimeError: something in it waits for the device or allocates outside PyTorch.
        """
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            function()
        return graph.replay
