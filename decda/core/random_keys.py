"""Random generators by key: what is drawn depends on (seed, stream, step) alone, never on what was drawn before."""

from hashlib import blake2b

from torch import Generator


def key(seed: int, stream: str, step: int = 0) -> int:
    """A 32-bit number from a seed, the name of what is drawn, and when.

    Hashed, not packed: torch keeps only 32 bits of a seed, and neighbouring seeds must not share streams.
    """
    return int.from_bytes(blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=4).digest(), "little")


def generator(seed: int, stream: str, step: int = 0) -> Generator:
    """A generator on the CPU, so that every device sees the same draws."""
    return Generator().manual_seed(key(seed, stream, step))
