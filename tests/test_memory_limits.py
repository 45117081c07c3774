"""Files that claim or hold too much are refused under a limit on the memory of the process, in little time."""

import gzip
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

HEADROOM = 2**28
"""Bytes that the process may take in addition to what PyTorch needs."""

CHILD = """
import json, resource, sys
from pathlib import Path
from torch import nn
from decda.core.config.run_config import read_toml
from decda.core.errors import DecdaError
from decda.core.files import Files
from decda.core.runs.reading import read_labels
from decda.core.runs.weights import read_weights
from decda.plugins.datasets.idx import mnist_test, parse_idx
from decda.plugins.datasets.usps import parse_rows, usps

root = Path(sys.argv[1])
files = Files(root, offline=True)
read_weights(root / "whole", {"part": nn.Linear(1, 1)})  # what is loaded at the first call does not count
CASES = {
    "bomb": lambda: mnist_test(files),
    "bomb-of-text": lambda: usps(files),
    "long-line": lambda: parse_rows((root / "line").read_bytes()),
    "idx-header": lambda: parse_idx(files.get("idx"), n_dims=3, source="idx"),
    "sparse-data": lambda: files.get("sparse"),
    "sparse-gzip": lambda: files.get("sparse.gz"),
    "sparse-weights": lambda: read_weights(root / "sparse", {"part": nn.Linear(1, 1)}),
    "weights-header": lambda: read_weights(root / "header", {"part": nn.Linear(1, 1)}),
    "weights-claim": lambda: read_weights(root / "claim", {"part": nn.Linear(1, 1)}),
    "sparse-config": lambda: read_toml(root / "sparse"),
    "sparse-labels": lambda: read_labels(root),
}
taken = next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[2]),) * 2)
found = {}
for name, call in CASES.items():
    try:
        call()
    except BaseException as error:
        found[name] = [error.exit_code if isinstance(error, DecdaError) else repr(error), str(error)]
print(json.dumps(found))
"""


def claim(shape: list[int], size: int) -> bytes:
    """A safetensors file whose header claims a tensor of some shape in so many bytes, and holds 8."""
    header = {"part.weight": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(8)


def deflated(piece: bytes, times: int) -> bytes:
    """A gzip file of a repeated piece, made without taking memory for all of it."""
    member = gzip.compress(piece)
    return member * times


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, str]]:
    """What came of each case in a process with little memory."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc and a limit on the address space")
    root = tmp_path_factory.mktemp("files")
    (root / "mnist").mkdir()
    (root / "usps").mkdir()
    (root / "mnist" / "t10k-images-idx3-ubyte.gz").write_bytes(deflated(bytes(2**24), 256))  # 4 GB
    (root / "usps" / "zip.train.gz").write_bytes(deflated(b"1 " * 2**23, 256))
    (root / "line").write_bytes(b"1 " * 2**23)
    (root / "idx").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 28, 28) + b"four")
    (root / "header").write_bytes(struct.pack("<Q", 2**40) + b"{}")
    (root / "claim").write_bytes(claim([2**40], 2**42))
    text = json.dumps({"part.weight": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, 4]},
                       "part.bias": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}).encode()  # fmt: skip
    (root / "whole").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    for name in ("sparse", "sparse.gz", "labels.csv"):
        with (root / name).open("wb") as file:
            file.truncate(2**40)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(root), str(HEADROOM)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, tuple[object, str]] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize(
    ("case", "exit_code", "reason"),
    [
        (
            "bomb",
            3,
            "t10k-images-idx3-ubyte.gz is not the published file: it holds more than the 47040016 decompressed",
        ),
        ("bomb-of-text", 3, "zip.train.gz is not the published file: it holds more than the 67108864 decompressed"),
        ("long-line", 3, "line 1 has 16777216 characters"),
        ("idx-header", 3, "idx is truncated: it has 4 values, its header says 4294967295 x 28 x 28"),
        ("sparse-data", 3, "it holds 1099511627776 bytes, more than the 2147483648 allowed"),
        ("sparse-gzip", 3, "it holds 1099511627776 bytes, more than the"),
        ("sparse-weights", 3, "sparse cannot be read: it holds 1099511627776 bytes"),
        ("weights-header", 3, "header cannot be read"),
        ("weights-claim", 3, "claim cannot be read"),
        ("sparse-config", 2, "it holds 1099511627776 bytes, more than the"),
        ("sparse-labels", 3, "it holds 1099511627776 bytes, more than the"),
    ],
)
def test_little_memory_suffices_to_refuse(
    found: dict[str, tuple[object, str]], case: str, exit_code: int, reason: str
) -> None:
    """A bomb, an absurd header or a sparse terabyte ends in its error, never in a lack of memory."""
    assert found[case][0] == exit_code, found[case]
    assert reason in found[case][1]
