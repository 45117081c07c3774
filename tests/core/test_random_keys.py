"""Keyed random generators."""

import pytest
import torch

from decda.core.random_keys import derive_seed, keyed_generator

STREAMS = ("order", "pretrain", "cluster", "centers")


@pytest.mark.parametrize(
    ("seed", "stream", "step", "digest"),
    # printf 0/order/0 | b2sum -l 32
    [(0, "order", 0, "68eef4e5"), (1, "cluster", 12, "d32a08dc"), (4294967296, "centers", 0, "dc889564")],
)
def test_key(seed: int, stream: str, step: int, digest: str) -> None:
    """A key is the 32-bit little-endian blake2b of `seed/stream/step`, so that the meaning of a seed never changes."""
    assert derive_seed(seed, stream, step) == int.from_bytes(bytes.fromhex(digest), "little")


def test_no_collision() -> None:
    """Neighbouring seeds, streams and steps have different keys, which fit in 32 bits."""
    keys = [derive_seed(seed, stream, step) for seed in range(10) for stream in STREAMS for step in range(250)]
    assert len(set(keys)) == len(keys)
    assert 2**31 < max(keys) < 2**32


def test_digits_do_not_run_together() -> None:
    """Seed 1 at step 11 differs from seed 11 at step 1."""
    assert (
        len(
            {
                derive_seed(1, "order", 11),
                derive_seed(11, "order", 1),
                derive_seed(1, "order1", 1),
                derive_seed(111, "order"),
            }
        )
        == 4
    )


def test_default_step() -> None:
    """The default step is 0."""
    assert derive_seed(3, "centers") == derive_seed(3, "centers", 0)


def test_equal_keys_equal_draws() -> None:
    """Equal keys lead to equal draws, whatever was drawn before, and different keys to different ones."""
    draws = torch.rand(8, generator=keyed_generator(1, "pretrain", 2))
    torch.manual_seed(0)
    torch.rand(3)
    assert torch.equal(draws, torch.rand(8, generator=keyed_generator(1, "pretrain", 2)))
    for other in [(2, "pretrain", 2), (1, "cluster", 2), (1, "pretrain", 3), (1 + 2**32, "pretrain", 2)]:
        assert not torch.equal(draws, torch.rand(8, generator=keyed_generator(*other)))


def test_global_generator_is_left_alone() -> None:
    """Creating a generator and drawing from it does not affect the global one."""
    before = torch.get_rng_state()
    torch.rand(3, generator=keyed_generator(0, "order"))
    assert torch.equal(torch.get_rng_state(), before)


def test_on_the_cpu() -> None:
    """Generators are on the CPU, so that draws are the same for every device."""
    assert keyed_generator(0, "order").device == torch.device("cpu")
