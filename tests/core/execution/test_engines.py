"""Which engine an executor is, and the device that it gives."""

import socket
import subprocess
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from decda.core.errors import ConfigError, EngineError, OutputError
from decda.core.execution import dask_engine
from decda.core.execution.engines import connect, device_of, engine_of
from decda.core.execution.executor_engine import ExecutorEngine
from decda.core.execution.protocol import WorkerJob

WORDS = partial(WorkerJob.from_job, data_root=None, offline=True, threads=1)


def dask_with(**resources: int) -> Any:
    """A stand-in for a Dask executor with one worker."""
    info = {"workers": {"tcp://w": {"resources": resources}}}
    return stand(SimpleNamespace(scheduler_info=lambda n_workers: info))


def stand(client: Any) -> Any:
    """A stand-in for a Dask executor of a client."""
    made = type("Stand", (SimpleNamespace, Executor), {"__module__": "distributed.cfexecutor"})
    return made(_client=client)


def test_any_executor_is_an_engine(tmp_path: Path) -> None:
    """One of threads is taken as it is; a folder that cannot be written to is told."""
    with ThreadPoolExecutor(1) as executor:
        engine = engine_of(executor, WORDS, tmp_path, slots=3, device="cpu")
        with pytest.raises(OutputError, match=f"{tmp_path}/gone"):
            engine_of(executor, WORDS, tmp_path / "gone", slots=3, device="cpu")
    assert type(engine) is ExecutorEngine
    assert engine.slots == 3


def test_what_is_no_executor_is_refused() -> None:
    """A client in the place of its executor is told before anything is done."""
    with pytest.raises(ConfigError, match=r"client.get_executor\(\) of Dask, not SimpleNamespace") as caught:
        device_of(SimpleNamespace(), "auto")  # type: ignore[arg-type]
    assert caught.value.parameter == "executor"


def test_a_client_that_is_closed_is_told(tmp_path: Path) -> None:
    """What it raises is one error of ours, whatever it is asked for first, and nothing is left behind."""
    for executor in (stand(SimpleNamespace()), stand(None)):
        with pytest.raises(EngineError, match="The client of Dask does not serve"):
            device_of(executor, "auto")
        with pytest.raises(EngineError, match="The client of Dask does not serve"):
            engine_of(executor, WORDS, tmp_path, slots=None, device="cpu")
    assert not list(tmp_path.iterdir())


def test_devices() -> None:
    """`auto` is a GPU where workers state one, and a CPU where nothing is known; what nobody has is an error."""
    with ThreadPoolExecutor(1) as plain:
        assert [device_of(plain, name) for name in ("auto", "cpu", "cuda")] == ["cpu", "cpu", "cuda"]
        with pytest.raises(ConfigError, match="not on 'mps'"):
            device_of(plain, "mps")
    assert [device_of(dask_with(GPU=1), name) for name in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    assert [device_of(dask_with(), name) for name in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(ConfigError, match="dask worker --resources GPU=1"):
        device_of(dask_with(GPU=0), "cuda")


def test_dask_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install it."""
    monkeypatch.setitem(sys.modules, "decda.core.execution.dask_engine", None)
    monkeypatch.delattr("decda.core.execution.dask_engine")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EngineError, match=r'python -m pip install "decda\[dask\]"'):
        connect("tcp://127.0.0.1:1")


def test_neither_torch_nor_dask_is_loaded() -> None:
    """What is submitted is found in a module that loads quickly on a worker; Dask is loaded when it is asked for."""
    code = "import sys, decda.core.execution.engines; print({'torch', 'distributed', 'dask'} & {*sys.modules})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", ""),
        ("bla://x:1", "(ValueError"),
        ("tcp://127.0.0.1", "("),
        ("tcp://127.0.0.1:9", "(OSError: Timed out trying to connect"),
    ],
)
def test_a_wrong_address(monkeypatch: pytest.MonkeyPatch, address: str, why: str) -> None:
    """No address, one that makes no sense, and one where nobody answers are told soon, with what to do."""
    monkeypatch.setattr(dask_engine, "CONNECT_SECONDS", 0.5)
    with pytest.raises(EngineError if address else ConfigError, match="scheduler") as caught, connect(address):
        pass
    assert caught.value.exit_code == (7 if address else 2)
    if address:
        assert str(caught.value).startswith(f"No scheduler of Dask answers at {address} {why}")


def test_an_address_where_nobody_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts and says nothing is given up after a while, which the error tells."""
    monkeypatch.setattr(dask_engine, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EngineError, match=rf"answers at {address} \(TimeoutError\)"), connect(address):
            pass
