"""A function captured as a CUDA graph: recorded once, then replayed at the cost of one launch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


class GraphCapture:
    """Records calls on a stream of its own, as PyTorch requires.

    A recording is replayed on the same memory: inputs are read from buffers that are filled before each replay, and
    everything that lasts is changed in place.
    """

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()

    @contextmanager
    def warming_up(self) -> Iterator[None]:
        """Calls made within do their work as usual, on the stream of the capture.

        What libraries allocate at a first call (workspaces, the optimizer's state) then exists before recording.
        """
        current = torch.cuda.current_stream()
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            yield
        current.wait_stream(self.stream)

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        """Record a call without doing its work.

        Args:
            function: what is recorded; it must not wait for the device.

        Returns:
            A function that does the recorded work.

        Raises:
            RuntimeError: something in it waits for the device or allocates outside PyTorch; its `__context__` is the
                exception that came first. The current stream is what it was.
        """
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream()
        try:
            # Of this thread alone: others may be reading images into pinned memory.
            with torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local"):
                function()
        finally:
            # After a failed capture PyTorch raises before it leaves the stream that it entered.
            torch.cuda.set_stream(current)
        return graph.replay
