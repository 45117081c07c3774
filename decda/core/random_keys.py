"""Random generators by key: draws depend on (seed, stream, step) alone, never on what was drawn before."""

from hashlib import blake2b

from torch import Generator


def derive_seed(seed: int, stream: str, step: int = 0) -> int:
    """A 32-bit seed for one purpose, from the seed of the run.

    The three are hashed, not packed: PyTorch keeps only 32 bits of a seed, and neighbouring seeds must not share
    streams.

    Args:
        seed: of the run.
        stream: what is drawn: `"centers"`.
        step: when it is drawn: an epoch, a pass over the data.

    Returns:
        A number in [0, 2^32).

    Example:
        >>> derive_seed(0, "centers") == derive_seed(0, "centers", 0)
        True
    """
    return int.from_bytes(blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=4).digest(), "little")


def keyed_generator(seed: int, stream: str, step: int = 0) -> Generator:
    """A generator for one purpose, on the CPU, so that every device sees the same draws.

    Args:
        seed: of the run.
        stream: what is drawn.
        step: when it is drawn.

    Returns:
        A generator seeded by `derive_seed`.

    Example:
        >>> import torch
        >>> a, b = (torch.rand(3, generator=keyed_generator(0, "order", 5)) for _ in range(2))
        >>> bool((a == b).all())
        True
    """
    return Generator().manual_seed(derive_seed(seed, stream, step))
