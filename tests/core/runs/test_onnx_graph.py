"""A model as one function of raw input, and both of PyTorch's ways to export it."""

import numpy as np
import onnxruntime
import pytest
import torch

from decda.core.runs.onnx_graph import Graph, capture, difference, random_input, trace
from decda.core.training.model import Model
from decda.plugins.augmentations.none import NoAugmentation
from decda.plugins.encoders.conv import ConvAutoencoder
from decda.plugins.encoders.fc import FcAutoencoder
from decda.plugins.heads.idec import IDEC


def graph(shape: tuple[int, int, int], conv: bool = False, **scaling: tuple[float, ...]) -> Graph:
    """A graph with random weights."""
    torch.manual_seed(0)
    encoder = ConvAutoencoder(shape, embedding_dim=3) if conv else FcAutoencoder(shape, hidden=(8,), embedding_dim=3)
    head = IDEC(n_clusters=4, embedding_dim=3)
    torch.nn.init.normal_(head.centers)
    return Graph(Model(encoder, head, NoAugmentation()), shape, **scaling).eval()


@pytest.mark.parametrize(("make", "conv"), [(trace, True), (trace, False), (capture, True)])
def test_any_number_of_images(make: object, conv: bool) -> None:
    """Both exporters make graphs for any number of images, although parts look at the size of a batch."""
    model = graph((1, 8, 9), conv)
    session = onnxruntime.InferenceSession(make(model, random_input(model, 2), model.names))  # type: ignore[operator]
    for n in (1, 2, 50):
        x = random_input(model, n)
        found = session.run(list(model.names[1:]), {"image": x.numpy()})
        with torch.no_grad():
            z, q, labels = model(x)
        assert np.abs(found[0] - z.numpy()).max() < 1e-6
        assert np.abs(found[1] - q.numpy()).max() < 1e-6
        assert np.array_equal(found[2], labels.numpy())


def test_rows_are_scaled() -> None:
    """Rows of a table become (N, 1, 1, D), scaled in double precision, so that large centers cost no digits."""
    model = graph((1, 1, 2), center=(1e6, 0.0), spread=(0.5, 4.0))
    assert model.names[0] == "row"
    assert model.prepare(torch.tensor([[1e6 + 1, 2.0]], dtype=torch.float64)).tolist() == [[[[2.0, 0.5]]]]
    assert graph((1, 1, 2)).prepare(torch.tensor([[3.0, 2.0]])).tolist() == [[[[3.0, 2.0]]]]
    assert random_input(model, 5).shape == (5, 2)
    low, high = random_input(model, 1000).aminmax(dim=0)
    assert low.tolist() >= [1e6 - 1, -8]
    assert high.tolist() <= [1e6 + 1, 8]


def test_differences_are_relative_to_large_numbers() -> None:
    """Numbers above 1 are compared relative to the largest; other shapes are infinitely apart, NaN is no difference."""
    assert difference(np.array([0.5, 0.1]), np.array([0.5, 0.2])) == pytest.approx(0.1)
    assert difference(np.array([50.0, 0.1]), np.array([50.0, 0.2])) == pytest.approx(0.002)
    assert difference(np.zeros(3), np.zeros((3, 1))) == float("inf")
    assert not difference(np.zeros(1), np.array([np.nan])) <= 1
