"""A whole run: assemble, train, record; or go on with one that an earlier process left unfinished."""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from decda.core.atomic_files import explain_output
from decda.core.config.provenance_hints import provenance_beside
from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet, ImageSource
from decda.core.errors import ConfigError, DataError, OutputError, UnusableCheckpoint, in_a_line
from decda.core.events import CheckpointRejected, Event, Resumed, ignore
from decda.core.files import Files
from decda.core.parts.registry import Component, Registry
from decda.core.process.interrupts import Interrupts
from decda.core.process.launch import launched_size
from decda.core.runs.checkpoints import Checkpoint, Checkpoints
from decda.core.runs.device import resolve_device
from decda.core.runs.inference import load_run
from decda.core.runs.listening import find_listeners
from decda.core.runs.lock import FolderLock
from decda.core.runs.naming import check_out, new_folder
from decda.core.runs.preparation import prepare
from decda.core.runs.provenance import describe_resumption, describe_start
from decda.core.runs.resuming import (
    describe_differences,
    require_same_images,
    require_same_parts,
    require_same_start,
)
from decda.core.runs.run import Run
from decda.core.runs.run_folder import CONFIG
from decda.core.runs.session import CHECKPOINT_SECONDS, Session
from decda.core.runs.sharing import follow
from decda.core.runs.weights import MODEL
from decda.core.training.process_group import Group, joined


def run(
    config: RunConfig,
    registry: Registry,
    files: Files,
    *,
    images: ImageSet | ImageSource | None = None,
    out: Path | None = None,
    notify: Callable[[Event], None] = ignore,
    listen: Sequence[str] = (),
    resume: bool = False,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    interrupts: Interrupts | None = None,
) -> Run:
    """Train as configured, and record it in a folder of its own.

    Where `torchrun` has started several processes, they share the run, and the first of them records it.

    Args:
        config: from `compose`.
        registry: where the parts are.
        files: where the data is.
        images: those of the data set, if they have been loaded or opened already.
        out: the folder, which must not exist; by default a new one below `runs/`.
        notify: called with each event.
        listen: names of registered listeners, which follow the run and change nothing in it; those of a resumed run
            are made again. Of a run that has finished already they hear nothing.
        resume: go on with the run in `out`, of the same configuration, if there is one that has not finished.
        checkpoint_every: seconds between two checkpoints, beside those at the end of each phase; 0: no checkpoints.
        interrupts: noted signals, at which the run is saved and ended. None: nobody asks it to end.

    Returns:
        The run; the same stands in the folder.

    Raises:
        DecdaError: something does not fit. If that shows before the first epoch, no folder is left behind.
        Interrupted: a signal came; the run can be resumed.
    """
    group: Group | None = None
    with contextlib.ExitStack() as stack:
        if launched_size() > 1:
            group = stack.enter_context(joined(resolve_device(config.device)))
            finished = out if resume and out is not None and _is_finished(out) else None
            finished = group.tell(finished)
            if finished is not None:
                return _finished(finished, registry, notify) if group.rank == 0 else load_run(finished, registry)
            if group.rank > 0:
                return follow(group, config, registry, files, images, interrupts or Interrupts())
        steps = run_stepwise(
            config, registry, files,
            images=images, out=out, notify=notify, listen=listen, resume=resume, checkpoint_every=checkpoint_every,
            interrupts=interrupts, group=group,
        )  # fmt: skip
        return _last(steps)


def _last(steps: Generator[None, None, Run]) -> Run:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            finished: Run = stop.value
            return finished


def run_stepwise(
    config: RunConfig,
    registry: Registry,
    files: Files,
    *,
    images: ImageSet | ImageSource | None = None,
    out: Path | None = None,
    notify: Callable[[Event], None] = ignore,
    listen: Sequence[str] = (),
    resume: bool = False,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    interrupts: Interrupts | None = None,
    group: Group | None = None,
) -> Generator[None, None, Run]:
    """The same as `run`, in steps of about one descent, so that several runs can be interleaved.

    Args:
        config: as for `run`.
        registry: as for `run`.
        files: as for `run`.
        images: as for `run`.
        out: as for `run`.
        notify: as for `run`.
        listen: as for `run`.
        resume: as for `run`.
        checkpoint_every: as for `run`.
        interrupts: as for `run`.
        group: the processes that share the run, of which this is the first; None: there are no others.

    Returns:
        A generator whose value at the end is the run.

    Raises:
        DecdaError: as `run`.
        Interrupted: as `run`.
    """
    if not (isinstance(checkpoint_every, int | float) and checkpoint_every >= 0):
        raise ConfigError(
            f"checkpoint_every must be a number of seconds, 0 or more, not {checkpoint_every!r}.",
            parameter="checkpoint_every",
        )
    listeners = find_listeners(listen, registry)
    if resume and out is not None and (out / CONFIG).is_file():
        if _is_finished(out):  # looked at without a lock first: the folder may be read-only
            return _finished(out, registry, notify)
        with FolderLock(out):
            if _is_finished(out):  # by another process, while this one waited for the lock
                if group is not None:  # the others wait for it, and must not be left waiting
                    raise ConfigError(f"The run {out} has finished meanwhile; nothing is left to do.")
                return _finished(out, registry, notify)
            session = _go_on(config, registry, files, images, out, notify, listeners, group)
            return (yield from session.steps(checkpoint_every, interrupts))
    if not resume:
        check_out(out)
    n_processes = 1 if group is None else group.size
    ready = prepare(config, registry, files, images, n_processes=n_processes)
    provenance = describe_start(ready, registry, n_processes)
    name = f"{config.recipe or 'custom'}-{config.dataset.short}-seed{config.seed}"
    if resume and out is not None:
        with explain_output(out):  # not the folders above it: if they are gone, so is what the run belongs to
            out.mkdir(exist_ok=True)  # a process that was killed at once may have left it empty
        path = out
    else:
        path = new_folder(out, name)
    try:
        with FolderLock(path):
            session = Session(
                ready, registry, path, notify, provenance, Checkpoints(path), listeners=listeners, group=group
            )
            return (yield from session.steps(checkpoint_every, interrupts))
    except OutputError:
        with contextlib.suppress(OSError):  # it is not empty
            path.rmdir()
        raise


def _is_finished(path: Path) -> bool:
    return provenance_beside(path / CONFIG).get("status") == "finished"


def _finished(path: Path, registry: Registry, notify: Callable[[Event], None]) -> Run:
    """A run that needs no going on."""
    Checkpoints(path).remove()  # left by a process that was killed before it could
    notify(Resumed("finished", 0))
    return load_run(path, registry)


def _go_on(
    config: RunConfig,
    registry: Registry,
    files: Files,
    images: ImageSet | ImageSource | None,
    path: Path,
    notify: Callable[[Event], None],
    listeners: Sequence[Component],
    group: Group | None,
) -> Session:
    """What goes on with a run from its last checkpoint, or from its start if it has none."""
    then: Mapping[str, Any] = provenance_beside(path / CONFIG)
    checkpoints = Checkpoints(path)
    checkpoint = checkpoints.read()
    for name, reason in checkpoints.rejected.items():
        notify(CheckpointRejected(name, reason))
    if checkpoint is not None:
        phase, step, then = _position(checkpoint)
    elif not then and (path / MODEL).exists():
        raise DataError(f"{path} holds a trained model, but its provenance.json cannot be read. Nothing was changed.")
    require_same_parts(then, config, registry)
    started = checkpoint is not None and phase in ("cluster", "done")
    n_processes = 1 if group is None else group.size
    ready = prepare(
        config, registry, files, images, pretrained=checkpoint is None, started=started, n_processes=n_processes
    )
    today = describe_start(ready, registry, n_processes)
    require_same_images(then, today)
    if not started:
        require_same_start(then, today)
    resumed, provenance = Resumed("start", 0), today
    if checkpoint is not None:
        resumed = Resumed(phase, step, describe_differences(then, today))
        provenance = describe_resumption(then, phase, step, resumed.cautions)
    return Session(
        ready, registry, path, notify, provenance, checkpoints, checkpoint,
        resumed=resumed, listeners=listeners, group=group, today=today,
    )  # fmt: skip


def _position(checkpoint: Checkpoint) -> tuple[Any, int, Mapping[str, Any]]:
    """The phase and step of a checkpoint, and the provenance of its run."""
    try:
        trainer, then = checkpoint.state["trainer"], checkpoint.state["provenance"]
        return trainer["phase"], trainer["position"], dict(then)
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableCheckpoint(
            f"The checkpoint lacks what a run goes on from: {in_a_line(error)}. Start a new run."
        ) from error
