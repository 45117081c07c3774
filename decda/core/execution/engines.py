"""Which engine makes several runs, where it is not this machine. Importing this loads neither torch nor Dask."""

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path

from decda.core.errors import ConfigError, EngineError
from decda.core.execution.engine import Engine
from decda.core.execution.executor_engine import ExecutorEngine
from decda.core.execution.messages import Job
from decda.core.execution.protocol import WorkerJob


def connect(scheduler: str | None) -> AbstractContextManager[Executor]:
    """Connect to a scheduler of Dask.

    Args:
        scheduler: its address; None: as Dask's own configuration says.

    Returns:
        What gives an executor in a `with` statement.

    Raises:
        EngineError: Dask is not installed or, on entry, no scheduler answers.
        ConfigError: on entry, if there is no address.
    """
    try:
        from decda.core.execution import dask_engine
    except ModuleNotFoundError as error:
        raise EngineError(
            f'The engine dask needs Dask, and {error.name} is not installed: python -m pip install "decda[dask]"'
        ) from error
    return dask_engine.connect(scheduler)


def engine_of(
    executor: Executor, words: Callable[[Job], WorkerJob], folder: Path, *, slots: int | None, device: str
) -> Engine:
    """The engine that an executor is.

    Args:
        executor: any; that of Dask can do more.
        words: makes what a process has to know of a run.
        folder: that holds the folders of all runs.
        slots: runs at a time; None: as the executor likes.
        device: the type of the device that the runs are planned for.

    Returns:
        The engine.

    Raises:
        EngineError: the executor serves no longer.
        OutputError: nothing can be written in the folder.
    """
    if not _is_dask(executor):
        return ExecutorEngine(executor, words, folder, slots=slots)
    from decda.core.execution.dask_engine import DaskEngine

    return DaskEngine(executor, words, folder, slots=slots, device=device)


def device_of(executor: Executor, name: str) -> str:
    """The type of the device that runs get from an executor.

    Args:
        executor: any. Of Dask, workers that have GPUs state so as a resource.
        name: of the device in the configuration.

    Returns:
        `cpu` or `cuda`.

    Raises:
        ConfigError: it is none of those, or no worker has it; or that is no executor.
        EngineError: the executor serves no longer.
    """
    if not isinstance(executor, Executor):
        raise ConfigError(
            f"An executor of concurrent.futures is expected, such as client.get_executor() of Dask, not "
            f"{type(executor).__name__}.",
            parameter="executor",
        )
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"Workers of an engine compute on cpu or cuda, not on {name!r}.", parameter="device")
    if name == "cpu" or not _is_dask(executor):
        return "cuda" if name == "cuda" else "cpu"
    from decda.core.execution.dask_engine import has_gpus

    if has_gpus(executor):
        return "cuda"
    if name == "cuda":
        raise ConfigError(
            "No worker of Dask states a resource GPU. Start those that have one with it: dask worker --resources GPU=1",
            parameter="device",
        )
    return "cpu"


def _is_dask(executor: Executor) -> bool:
    return type(executor).__module__.partition(".")[0] == "distributed"
