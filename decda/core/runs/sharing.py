"""One run on several processes: what they must have in common, and the work of those that write nothing."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from decda.core.config.run_config import RunConfig
from decda.core.contracts import ClusteringHead, ImageSet, ImageSource
from decda.core.errors import ConfigError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs.assembly import build_head, components
from decda.core.runs.preparation import prepare
from decda.core.runs.provenance import describe_start
from decda.core.runs.run import Run
from decda.core.training.process_group import Group
from decda.core.training.trainer import Trainer

COMMON = {
    "config_sha256": "another configuration",
    "data_sha256": "other images",
    "parts": "other parts, or other versions of them",
    "versions": "other versions of its packages",
}
"""What the provenance of all processes must agree in, and how errors call what does not."""


def begin(group: Group, trainer: Trainer, provenance: Mapping[str, Any]) -> None:
    """Start all processes from the state that process 0 has.

    Args:
        group: the processes of the run.
        trainer: of this process.
        provenance: what this process computes with, as it is now.

    Raises:
        ConfigError: they differ in images, parts or settings, so that they would train something else.
        PeerLost: another process has ended.
    """
    _require_alike(group.exchange((socket.gethostname(), {name: provenance.get(name) for name in COMMON})))
    state: Any = group.tell(_on_cpu(trainer.state_dict()) if group.rank == 0 else None)
    if group.rank > 0:
        trainer.load_state_dict(state)


def follow(
    group: Group,
    config: RunConfig,
    registry: Registry,
    files: Files,
    images: ImageSet | ImageSource | None,
    interrupts: Interrupts,
) -> Run:
    """The work of a process that is not the first: compute its portion of each batch, and write nothing.

    Args:
        group: the processes of the run.
        config: from `compose`.
        registry: where the parts are.
        files: where the data is.
        images: those of the data set, if they have been loaded or opened already.
        interrupts: noted signals, at which all processes end.

    Returns:
        The run, as process 0 has recorded it.

    Raises:
        DecdaError: something does not fit, or another process has ended.
        Interrupted: a signal came, here or elsewhere.
    """
    trainer, provenance = _prepare(group, config, registry, files, images)
    del images  # the trainer holds those of this process
    begin(group, trainer, provenance)
    with interrupts.deferred():
        for _ in trainer.steps():
            asked = group.agree(interrupts.pending)
            if asked:
                group.tell(None)  # once process 0 has saved the run: torchrun ends it when this one has ended
                raise Interrupted(asked)
        if group.tell(False):
            trainer.go_back()
        run: Any = group.tell(None)
    finished: Run = run
    return replace(finished, model=trainer.model, parts=components(config, registry, ("encoder", "head", "augment")))


def _prepare(
    group: Group, config: RunConfig, registry: Registry, files: Files, images: ImageSet | ImageSource | None
) -> tuple[Trainer, Mapping[str, Any]]:
    """A trainer, whose state is yet to come, and what it computes with."""
    ready = prepare(config, registry, files, images, pretrained=False, started=True, n_processes=group.size)
    config, dim = ready.config, ready.model.autoencoder.embedding_dim

    def make_head(n_clusters: int) -> ClusteringHead:
        return build_head(config, registry, n_clusters, dim)

    trainer = Trainer(
        ready.images.x, ready.model, config.train,
        seed=config.seed, device=ready.device, start=ready.start,
        make_head=make_head if config.n_clusters == "auto" else None, images_mode=ready.images_mode, peers=group,
    )  # fmt: skip
    return trainer, describe_start(ready, registry)


def _require_alike(said: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Require that all processes train the same."""
    host, first = said[0]
    for rank, (other, theirs) in enumerate(said):
        differing = [what for name, what in COMMON.items() if theirs[name] != first[name]]
        if differing:
            raise ConfigError(
                f"The processes of this run do not match: process {rank} on {other} has {' and '.join(differing)} than "
                f"process 0 on {host}. Install the same packages there, and give it the same files."
            )


def _on_cpu(state: Any) -> Any:
    """The same with all tensors on the CPU, so that each process takes them to its own device."""
    if isinstance(state, Tensor):
        return state.detach().cpu()
    if isinstance(state, Mapping):
        return {name: _on_cpu(value) for name, value in state.items()}
    return [_on_cpu(value) for value in state] if isinstance(state, list | tuple) else state
