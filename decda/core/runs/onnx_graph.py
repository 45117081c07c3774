"""A model as an ONNX graph: what is exported, PyTorch's two exporters, and how far a graph is from its model."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from decda.core.training.model import Model

OUTPUTS = ("embedding", "soft_assignment", "label")
OPSET = 18
"""The oldest version of the operators that PyTorch exports without converting; from 2022."""


class Graph(nn.Module):
    """What is exported: a model's encoder and head as one function.

    Args:
        model: on the CPU, computing in float32.
        input_shape: (C, H, W) of its images; rows of a table, (1, 1, D), are taken as (N, D).
        center: what is subtracted from the columns of rows first, or None.
        spread: what they are divided by then, or None.

    Attributes:
        names: of the input and the outputs.
        scaled: whether rows are scaled.
    """

    def __init__(
        self,
        model: Model,
        input_shape: tuple[int, ...],
        center: Sequence[float] | None = None,
        spread: Sequence[float] | None = None,
    ):
        super().__init__()
        self.autoencoder = model.autoencoder
        self.head = model.head
        self.input_shape = input_shape
        self.rows = tuple(input_shape[:2]) == (1, 1)
        self.names = ("row" if self.rows else "image", *OUTPUTS)
        self.center: Tensor | None
        self.spread: Tensor | None
        self.scaled = center is not None
        # In double precision, as the rows of the run were: where the center is large, they cancel.
        for name, values in (("center", center), ("spread", spread)):
            self.register_buffer(name, None if values is None else torch.tensor(values, dtype=torch.float64))

    def prepare(self, x: Tensor) -> Tensor:
        """The input as the model takes it.

        Args:
            x: images (N, C, H, W), float32 in [0, 1], or rows (N, D), which are float64 where they are scaled.

        Returns:
            Images (N, C, H, W), float32.
        """
        if self.center is not None and self.spread is not None:
            x = ((x - self.center) / self.spread).float()
        return x[:, None, None] if self.rows else x

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embed and assign.

        Args:
            x: as `prepare` takes them.

        Returns:
            Embeddings (N, D), soft assignments (N, K), labels int64 (N,).
        """
        z = self.autoencoder.encode(self.prepare(x)).float()
        q = self.head.soft_assign(z)
        return z, q, q.argmax(1)


def trace(module: nn.Module, example: Tensor, names: Sequence[str]) -> bytes:
    """Export a module by following its operations on an example.

    Args:
        module: takes a batch, of any size.
        example: a batch of at least 2.
        names: of the input and then of the outputs.

    Returns:
        The ONNX file.

    Raises:
        Exception: whatever module and exporter raise.
    """
    file = io.BytesIO()
    with _quiet():
        torch.onnx.export(
            module, (example,), file, dynamo=False, opset_version=OPSET, input_names=[names[0]],  # type: ignore[arg-type]
            output_names=list(names[1:]), dynamic_axes={name: {0: "n"} for name in names},
        )  # fmt: skip
    return file.getvalue()


def capture(module: nn.Module, example: Tensor, names: Sequence[str]) -> bytes:
    """Export a module by `torch.export`: for what cannot be traced, or where PyTorch has no tracing exporter any more.

    Args:
        module: as for `trace`, as are the others.
        example: a batch.
        names: of input and outputs.

    Returns:
        The ONNX file.

    Raises:
        Exception: whatever module and exporter raise.
    """
    with _quiet():
        # Strict, and with any range of sizes: otherwise `len(x)` in a part makes the size of the example a constant.
        dynamic = ({0: torch.export.Dim.AUTO},)
        program = torch.onnx.export(
            torch.export.export(module, (example,), dynamic_shapes=dynamic, strict=True), (example,), dynamo=True,
            opset_version=OPSET, input_names=[names[0]], output_names=list(names[1:]), verbose=False,
        )  # fmt: skip
    content: bytes = program.model_proto.SerializeToString()  # type: ignore[union-attr]
    return content


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters have to say: about themselves, and about conditions in the code that they follow."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    silence = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (closed below)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(silence), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        silence.close()
        logger.setLevel(level)


def random_input(graph: Graph, n: int) -> Tensor:
    """Images, or rows of a table, as they might come.

    Args:
        graph: that takes them.
        n: how many.

    Returns:
        Equal ones for equal n.
    """
    generator = torch.Generator().manual_seed(n)
    if not graph.rows:
        return torch.rand(n, *graph.input_shape, generator=generator)
    rows = torch.rand(n, graph.input_shape[-1], generator=generator)
    if graph.center is None or graph.spread is None:
        return rows
    return graph.center + graph.spread * (4 * rows.double() - 2)


def difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """How far two results are apart.

    Args:
        ours: numbers.
        theirs: of any shape.

    Returns:
        The largest difference of two numbers, relative to the largest of ours where that is above 1; infinite where the
        shapes differ.

    Example:
        >>> difference(np.array([1.0, 100.0]), np.array([1.0, 101.0]))
        0.01
    """
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max() / max(1.0, float(np.abs(ours).max())))
