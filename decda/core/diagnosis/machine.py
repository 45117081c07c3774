"""The machine: its processor, its memory, and devices to compute on."""

import os
import warnings
from pathlib import Path

from decda.core.diagnosis.check import ABSENT, OK, WARNING, Check
from decda.core.process.memory import read_memory
from decda.core.process.processor import processor_name
from decda.core.process.threads import choose_threads, physical_cores

LITTLE_MEMORY = 10**9
"""Bytes; with less that are free, PyTorch and a few thousand images hardly fit."""
NVIDIA = Path("/proc/driver/nvidia")
"""Exists on Linux where there is a driver for NVIDIA's GPUs."""


def check_machine(*, with_torch: bool) -> list[Check]:
    """Check what a run computes on.

    Args:
        with_torch: whether PyTorch works; without it, devices are not looked for.

    Returns:
        The checks.
    """
    checks = [_processor(), _threads(), _memory()]
    if with_torch:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a driver that is too old, which is told below
            checks[2:2] = [_bfloat16()]
            checks += [*_cuda(), _mps()]
    return checks


def _processor() -> Check:
    cores = physical_cores()
    means = f"{cores} physical core{'' if cores == 1 else 's'} that decda may use"
    return Check("machine", "processor", OK, processor_name(), means)


def _threads() -> Check:
    threads, cores = choose_threads(None), physical_cores()
    means = "threads of a run, one for each core; --threads sets another number"
    if os.environ.get("OMP_NUM_THREADS", "").strip() == str(threads):
        means = "threads of a run, as OMP_NUM_THREADS says; --threads sets another number"
        if threads > cores:
            return Check("machine", "threads", WARNING, str(threads), means, f"Set OMP_NUM_THREADS to {cores} or less.")
    return Check("machine", "threads", OK, str(threads), means)


def _bfloat16() -> Check:
    import torch

    from decda.core.training.precision import resolve_precision

    if resolve_precision("auto", torch.device("cpu")) == "bfloat16":
        means = "this processor multiplies bfloat16 in hardware; train.precision=auto makes use of it"
        return Check("machine", "bfloat16", OK, "yes", means)
    means = "this processor has no units for bfloat16; train.precision=auto is float32 here"
    return Check("machine", "bfloat16", ABSENT, "no", means)


def _memory() -> Check:
    total, free = read_memory()
    if total is None:
        return Check("machine", "memory", OK, "not known", "this system does not tell how much there is")
    found = f"{total / 1e9:.1f} GB"
    if free is None:
        return Check("machine", "memory", OK, found, "images and networks must fit into it")
    means = f"{free / 1e9:.1f} GB of it are free; images and networks must fit into that"
    if free < LITTLE_MEMORY:
        return Check("machine", "memory", WARNING, found, means, "Close other programs before you train.")
    return Check("machine", "memory", OK, found, means)


def _cuda() -> list[Check]:
    import torch

    if torch.cuda.is_available():
        checks = []
        for number in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(number)
            found = f"{properties.name}, {properties.total_memory / 1e9:.0f} GB"
            means = "runs compute here, unless --device names another device"
            if number > 0:
                means = "runs do not use it; CUDA_VISIBLE_DEVICES lets them see this one alone"
            checks.append(Check("machine", f"CUDA {number}", OK, found, means))
        return checks
    found, where = "no GPU that PyTorch can use", "runs compute on the processor"
    if not NVIDIA.exists():
        return [Check("machine", "CUDA", ABSENT, found, where)]
    if torch.version.cuda is None:
        means = f"there is one of NVIDIA's, but this PyTorch is built for the processor alone; {where}"
        remedy = "Install a PyTorch for CUDA: https://pytorch.org/get-started/locally"
    else:
        means = f"there is one of NVIDIA's, but PyTorch for CUDA {torch.version.cuda} cannot use it; {where}"
        remedy = "See whether nvidia-smi shows it, and whether its driver is new enough for this CUDA."
    return [Check("machine", "CUDA", WARNING, found, means, remedy)]


def _mps() -> Check:
    import torch

    if torch.backends.mps.is_available():
        return Check("machine", "MPS", OK, "Apple's GPU", "--device mps computes on it; by default, runs do not")
    return Check("machine", "MPS", ABSENT, "no", "only Macs have it")
