"""An image source for tests."""

from collections.abc import Mapping

import torch
from torch import Tensor

from decda.core.contracts import ImageSource


class CountedSource(ImageSource):
    """Images of one gray value each, which counts how often it is read; some cannot be."""

    def __init__(self, n: int = 40, *, bad: tuple[int, ...] = (), key: str | None = "a key", side: int = 8):
        self.shape, self.dtype = (n, 1, side, side), torch.uint8
        self.bad, self.key, self.reads = bad, key, 0
        self.names = [f"{i}.png" for i in range(n)]
        self.y = torch.arange(n) % 3

    def read(self, start: int, stop: int) -> tuple[Tensor, Mapping[int, str]]:
        self.reads += 1
        x = torch.arange(start, stop, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, *self.shape[1:])
        return x, {i: "it is damaged" for i in self.bad if start <= i < stop}
