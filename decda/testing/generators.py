"""The global random generators of PyTorch, NumPy and Python, which a part must leave alone."""

import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def generator_states() -> dict[str, bytes]:
    """Read the states of the global generators.

    Returns:
        The states of `torch` (on the CPU), `numpy.random` and `random`, by name.
    """
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy.random": pickle.dumps(np.random.get_state()),
        "random": pickle.dumps(random.getstate()),
    }


def advance_generators() -> dict[str, bytes]:
    """Put the global generators into states that seeding them does not produce, so that reseeding can be detected.

    Returns:
        The new states, by name, as from `generator_states`.
    """
    for seed, draw in (
        (torch.manual_seed, torch.rand),
        (np.random.seed, np.random.rand),
        (random.seed, random.randrange),
    ):
        seed(1)
        draw(3)
    return generator_states()


@contextmanager
def global_generators_kept() -> Iterator[None]:
    """Restore the global generators after the block, whatever happens in it.

    Yields:
        Nothing.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
