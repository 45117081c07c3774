"""What a run computes on."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from decda.core.diagnosis import machine
from decda.core.diagnosis.check import Check
from decda.core.diagnosis.machine import check_machine
from decda.core.process.processor import processor_name


def checks(*, with_torch: bool = True) -> dict[str, Check]:
    return {check.name: check for check in check_machine(with_torch=with_torch)}


def test_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor, threads, bfloat16, memory and devices are told in this order; without PyTorch only what needs none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = checks()
    assert list(found) == ["processor", "threads", "bfloat16", "memory", "CUDA", "MPS"]
    assert found["processor"].found == processor_name()
    assert list(checks(with_torch=False)) == ["processor", "threads", "memory"]


@pytest.mark.parametrize(
    ("said", "status", "found", "told"),
    [
        (None, "ok", "4", "one for each core"),
        ("2", "ok", "2", "as OMP_NUM_THREADS says"),
        ("8", "warning", "8", "as OMP_NUM_THREADS says"),
        ("many", "ok", "4", "one for each core"),
    ],
)
def test_threads(monkeypatch: pytest.MonkeyPatch, said: str | None, status: str, found: str, told: str) -> None:
    """It is said where the number of threads comes from; more threads than cores are a warning."""
    monkeypatch.setattr(machine, "physical_cores", lambda: 4)
    monkeypatch.setattr("decda.core.process.threads.physical_cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    check = checks(with_torch=False)["threads"]
    assert (check.status, check.found) == (status, found)
    assert told in check.means
    assert bool(check.remedy) is (status == "warning")


@pytest.mark.parametrize(("units", "found", "told"), [(True, "yes", "in hardware"), (False, "no", "is float32 here")])
def test_bfloat16(monkeypatch: pytest.MonkeyPatch, units: bool, found: str, told: str) -> None:
    """It is said whether the processor has units for bfloat16, by the rule that runs go by."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": units}, raising=False)
    check = checks()["bfloat16"]
    assert check.found == found
    assert told in check.means


@pytest.mark.parametrize(
    ("memory", "status", "found"),
    [
        ((8 * 10**9, 5 * 10**9), "ok", "8.0 GB"),
        ((8 * 10**9, 10**8), "warning", "8.0 GB"),
        ((8 * 10**9, None), "ok", "8.0 GB"),
        ((None, None), "ok", "not known"),
    ],
)
def test_memory(monkeypatch: pytest.MonkeyPatch, memory: Any, status: str, found: str) -> None:
    """Little memory is a warning; a system that does not tell is none."""
    monkeypatch.setattr(machine, "read_memory", lambda: memory)
    check = checks(with_torch=False)["memory"]
    assert (check.status, check.found) == (status, found)
    assert ("free" in check.means) is (memory[1] is not None)


def test_devices_of_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each GPU is named with its memory, and it is said which one runs use."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda n: SimpleNamespace(name=f"GPU {n}", total_memory=80 * 10**9)
    )
    found = checks()
    assert (found["CUDA 0"].status, found["CUDA 0"].found) == ("ok", "GPU 0, 80 GB")
    assert "runs compute here" in found["CUDA 0"].means
    assert "runs do not use it" in found["CUDA 1"].means


@pytest.mark.parametrize(
    ("driver", "built", "status", "told"),
    [
        (False, "12.8", "absent", "runs compute on the processor"),
        (True, None, "warning", "built for the processor alone"),
        (True, "12.8", "warning", "PyTorch for CUDA 12.8 cannot use it"),
    ],
)
def test_no_cuda(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, driver: bool, built: str | None, status: str, told: str
) -> None:
    """Without a GPU nothing is amiss; with one that PyTorch cannot use, it is said why."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(machine, "NVIDIA", tmp_path if driver else tmp_path / "missing")
    check = checks()["CUDA"]
    assert check.status == status
    assert told in check.means
    assert bool(check.remedy) is driver


@pytest.mark.parametrize(("there", "status"), [(True, "ok"), (False, "absent")])
def test_mps(monkeypatch: pytest.MonkeyPatch, there: bool, status: str) -> None:
    """A Mac's GPU is told with the option that chooses it."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there)
    check = checks()["MPS"]
    assert check.status == status
    assert ("--device mps" in check.means) is there
