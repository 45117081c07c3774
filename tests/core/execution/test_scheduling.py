"""How several runs are executed together."""

from collections import deque
from pathlib import Path
from typing import Any

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.execution import scheduling as jobs
from decda.core.execution.interleave import cuda_stream
from decda.core.execution.local_engine import LocalEngine
from decda.core.execution.messages import Finished, Job
from decda.core.execution.scheduling import has_local_parts, run_jobs
from decda.core.files import Files
from decda.core.parts.registry import Registry
from tests.conftest import SHORT


def waiting(registry: Registry, folder: Path, *heads: str) -> deque[Job]:
    configs = [compose(registry, parts={"encoder": "fc", "head": head}, settings=SHORT) for head in heads]
    return deque(Job(number, config, folder / str(number)) for number, config in enumerate(configs))


def test_a_part_added_by_hand_is_local(registry: Registry) -> None:
    """A part added in Python is local to the process; one added by a file can be loaded by others, too."""
    own = Registry(registry)
    entry = own.add("head", "mine", registry.load(registry.find("head", "dec")).factory)
    config = compose(own, parts={"head": "local:mine"})
    assert has_local_parts(config, own)
    assert not has_local_parts(compose(own, parts={"head": "dec"}), own)
    own.from_files.add(entry)
    assert not has_local_parts(config, own)
    listener = own.add("listener", "mine", lambda folder: print)
    assert has_local_parts(config, own, ["tensorboard", "mine"])
    own.from_files.add(listener)
    assert not has_local_parts(config, own, ["tensorboard", "mine"])


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_runs_in_this_process(registry: Registry, tmp_path: Path, device: str) -> None:
    """With `here`, or on a device that processes cannot share, jobs run one by one, even those queued meanwhile."""
    queue = waiting(registry, tmp_path, "dec", "dcn")
    later = queue.pop()
    ended: list[Any] = []

    def listen(key: Any, message: Any) -> None:
        if isinstance(message, Finished):
            ended.append(key)
            if key == 0:
                queue.append(later)

    before = torch.get_num_threads()
    run_jobs(queue, registry, Files(offline=True), device, listen, threads=2, here=device == "cpu")
    assert ended == [0, 1]
    assert not queue
    assert torch.get_num_threads() == before
    assert (tmp_path / "1" / "labels.csv").is_file()


def test_cpu_jobs_use_processes_and_gpu_jobs_are_interleaved(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default, there are as many processes as the cores allow for their threads; on a GPU, a few jobs at a time."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def record(engine: LocalEngine, queue: deque[Job], *_: Any) -> None:
        job = engine.words(queue[0])
        asked.append(("processes", {"slots": engine.slots, "threads": job.threads, "data_root": job.data_root}))
        assert (job.offline, job.load, job.listen, job.checkpoint_every, job.expected) == (True, (), (), 60.0, None)

    monkeypatch.setattr(jobs, "dispatch", record)
    monkeypatch.setattr(jobs, "interleave", lambda queue, start, notify, **words: asked.append(("turns", words)))
    monkeypatch.setattr(jobs, "physical_cores", lambda: 6)
    files = Files(tmp_path, offline=True)
    for device, words in (
        ("cpu", {}),
        ("cpu", {"threads": 4}),
        ("cpu", {"n_jobs": 5}),
        ("cuda", {}),
        ("cuda", {"n_jobs": 1}),
    ):
        run_jobs(waiting(registry, tmp_path, "dec", "dcn"), registry, files, device, print, **words)  # type: ignore[arg-type]
    root = str(tmp_path)
    assert asked == [
        ("processes", {"slots": 6, "threads": 1, "data_root": root}),
        ("processes", {"slots": 1, "threads": 4, "data_root": root}),
        ("processes", {"slots": 5, "threads": 1, "data_root": root}),
        ("turns", {"n_jobs": jobs.GPU_JOBS, "contexts": cuda_stream}),
        ("turns", {"n_jobs": 1, "contexts": cuda_stream}),
    ]
