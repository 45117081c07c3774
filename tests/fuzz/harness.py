"""What all fuzzers share: inputs are tried for some seconds, and an unexpected exception ends the program."""

import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import atheris

MAX_LENGTH = 4096
"""Most bytes of an input."""


def fuzz(load: Callable[[], Callable[[bytes], object]], seeds: Iterable[bytes] = ()) -> None:
    """Try inputs for as many seconds as the command line says, then exit: with 0 if nothing unexpected was raised.

    Args:
        load: imports the parser, which is then watched for new paths, and returns a function of an input. What that
            raises is unexpected; it catches what its parser may raise.
        seeds: inputs to begin with.
    """
    with atheris.instrument_imports(include=["decda", "tomllib", "json"], enable_loader_override=False):
        try_input = load()
    corpus = Path(tempfile.mkdtemp())
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={sys.argv[1]}", f"-max_len={MAX_LENGTH}", "-timeout=20", f"-artifact_prefix={corpus}/"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], try_input)
    atheris.Fuzz()
