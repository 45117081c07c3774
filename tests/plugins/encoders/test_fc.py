"""The fully connected autoencoder."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from decda.plugins.encoders.fc import FcAutoencoder


def layers(model: FcAutoencoder) -> list[nn.Linear]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


@pytest.fixture(scope="module")
def paper() -> FcAutoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FcAutoencoder((1, 28, 28))


def test_paper(paper: FcAutoencoder) -> None:
    """The network is D-500-500-2000-10 and its mirror image, with a bias in every layer."""
    sizes = [784, 500, 500, 2000, 10, 2000, 500, 500, 784]
    assert [(layer.in_features, layer.out_features) for layer in layers(paper)] == list(pairwise(sizes))
    assert sum(p.numel() for p in paper.parameters()) == sum(
        fan_in * fan_out + fan_out for fan_in, fan_out in pairwise(sizes)
    )
    assert paper.embedding_dim == 10


@pytest.mark.parametrize("at", range(8))
def test_start(paper: FcAutoencoder, at: int) -> None:
    """Weights are initialised uniformly within +-1/sqrt(fan_in), and biases to zero."""
    layer = layers(paper)[at]
    weight, bound = layer.weight.detach().double(), 1 / math.sqrt(layer.in_features)
    assert 0.99 * bound < weight.abs().max() <= bound * (1 + 1e-6)
    assert weight.var().item() == pytest.approx(bound**2 / 3, rel=0.05)
    assert abs(weight.mean().item()) < 0.02 * bound
    assert layer.bias.count_nonzero() == 0


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 5, 3), (3, 2, 7), (1, 1, 30)])
@pytest.mark.parametrize("hidden", [(4,), (6, 5, 4), ()])
def test_forward(shape: tuple[int, int, int], hidden: tuple[int, ...]) -> None:
    """For any shape, ReLU follows every layer but the embedding and the output."""
    model = FcAutoencoder(shape, hidden=hidden, embedding_dim=3).double()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(0, 1, parameter.shape)))
    x = rng.normal(0, 1, (5, *shape))
    weights = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in layers(model)]
    depth = len(hidden) + 1
    assert len(weights) == 2 * depth
    flow = x.reshape(5, -1)
    for number, (weight, bias) in enumerate(weights, 1):
        flow = np.array([[sum(a * b for a, b in zip(row, unit, strict=True)) for unit in weight] for row in flow])
        flow = flow + bias
        if number == depth:
            z = flow
        elif number < 2 * depth:
            flow = np.maximum(flow, 0)
    assert (z < 0).any()
    assert (flow < 0).any()
    embedded = model.encode(torch.from_numpy(x))
    np.testing.assert_allclose(embedded.detach().numpy(), z, rtol=1e-10, atol=1e-12)
    decoded = model.decode(embedded).detach()
    assert decoded.shape == (5, *shape)
    np.testing.assert_allclose(decoded.numpy().reshape(5, -1), flow, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("parameters", [{"hidden": (5, 0)}, {"embedding_dim": 0}])
def test_out_of_range(parameters: dict[str, object]) -> None:
    """A layer without units is refused."""
    with pytest.raises(ValueError, match="must be at least 1"):
        FcAutoencoder((1, 8, 8), **parameters)  # type: ignore[arg-type]
