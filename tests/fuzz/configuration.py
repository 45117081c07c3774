"""Fuzzes configuration files: what is read from TOML and put together."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.harness import fuzz

SEEDS = (
    b'recipe = "convidec-da"\nseed = 3\nn_clusters = 4\ndevice = "cpu"\nautoencoder = "none"\n',
    b'[dataset]\nname = "digits"\nsize = 8\n[encoder]\nname = "decda:fc"\nhidden = [5, 6]\n',
    b'[head]\nname = "idec"\ngamma = 0.1\n[augment]\nname = "none"\n',
    b'recipe = "quick"\nhead = "dec"\naugment = {name = "affine", rotation = 1.5}\n',
    b'[train]\ntol = 1e-3\nbatch_size = 1\ndrop_last = true\nupdate_interval = "none"\naugment_in = "both"\n',
)


def load() -> Callable[[bytes], object]:
    from decda.core.config.composition import compose
    from decda.core.errors import DecdaError
    from decda.core.parts.registry import Registry

    registry = Registry(entry for entry in Registry.discover() if entry.package == "decda")
    path = Path(tempfile.mkdtemp(), "config.toml")

    def try_input(content: bytes) -> None:
        path.write_bytes(content)
        with contextlib.suppress(DecdaError):
            config = compose(registry, config=path)
            again = Path(f"{path}.again.toml")
            again.write_text(config.as_toml(), encoding="utf-8")
            assert compose(registry, config=again) == config

    return try_input


if __name__ == "__main__":
    fuzz(load, SEEDS)
