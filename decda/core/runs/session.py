"""The work of one process on one run: train, save now and then, and record what it came to."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decda.core.contracts import ClusteringHead
from decda.core.errors import DecdaError, UnusableCheckpoint, in_a_line
from decda.core.events import Event, Resumed, RunEnded
from decda.core.parts.registry import Component, Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs.assembly import build_head, components
from decda.core.runs.best import choose_best
from decda.core.runs.checkpoints import Checkpoint, Checkpoints
from decda.core.runs.collapse import collapse_warnings
from decda.core.runs.failures import explain_failure
from decda.core.runs.listening import Listeners
from decda.core.runs.preparation import Prepared
from decda.core.runs.provenance import describe_end, describe_failure
from decda.core.runs.quality import judge_labels
from decda.core.runs.recorder import Recorder
from decda.core.runs.run import SCHEMA_VERSION, Run
from decda.core.runs.run_folder import CONFIG, PROVENANCE, RunFolder
from decda.core.runs.sharing import begin
from decda.core.runs.weights import AUTOENCODER, MODEL
from decda.core.training.metrics import scores
from decda.core.training.peers import ALONE
from decda.core.training.process_group import Group
from decda.core.training.trainer import Trainer

CHECKPOINT_SECONDS = 60.0
"""Between two checkpoints, unless told otherwise."""


class Session:
    """Trains a run, from its start or from a checkpoint, and records it in its folder.

    Args:
        ready: the run before its first epoch.
        registry: where the parts are.
        path: the folder of the run, which nobody else uses.
        notify: called with each event.
        provenance: what `provenance.json` says from now on.
        checkpoints: those of the run.
        checkpoint: where an earlier process left off.
        resumed: told first, where the run goes on.
        listeners: follow the run, besides `notify`.
        group: the processes that share the run, of which this is the first; None: there are no others.
        today: the provenance of a run that would start now, with which the others must agree.
    """

    def __init__(
        self,
        ready: Prepared,
        registry: Registry,
        path: Path,
        notify: Callable[[Event], None],
        provenance: dict[str, Any],
        checkpoints: Checkpoints,
        checkpoint: Checkpoint | None = None,
        *,
        resumed: Resumed | None = None,
        listeners: Sequence[Component] = (),
        group: Group | None = None,
        today: Mapping[str, Any] | None = None,
    ):
        self.group = group
        self.today = provenance if today is None else today
        self.ready = ready
        self.registry = registry
        self.model = ready.model
        self.parts = components(ready.config, registry)
        self.folder = RunFolder(path)
        self.checkpoints = checkpoints
        self.provenance = provenance
        self.checkpoint = checkpoint
        self.classes = None if ready.images.y is None else ready.images.y.numpy()
        self.resumed = resumed
        self.listeners = Listeners(listeners, notify)
        self.recorder = Recorder(
            ready.config, self.classes, [self.folder, notify, self.listeners], self._keep_autoencoder
        )

    def steps(self, checkpoint_every: float, interrupts: Interrupts | None = None) -> Generator[None, None, Run]:
        """Do the work in steps of about one descent.

        Args:
            checkpoint_every: seconds between two checkpoints, beside those at the end of each phase; 0: none.
            interrupts: noted signals, at which the run is saved and ended.

        Returns:
            A generator whose value at the end is the run.

        Raises:
            DecdaError: training failed; the folder says why.
            Interrupted: a signal came; if there are checkpoints, the run was saved.
        """
        self.folder.clear_partial_files()
        if not (self.folder.path / CONFIG).exists():  # else it is that of this run, from which it is resumed
            self.folder.write_config(self.ready.config)
        self.folder.write_json(PROVENANCE, self.provenance)
        interrupts = interrupts or Interrupts()
        try:
            finished = yield from self._finish(checkpoint_every, interrupts)
            self.checkpoints.remove()
            try:
                self.recorder(RunEnded(finished, self.ready.images))
            except Interrupted as error:
                told = f"The run {self.folder.path} has finished; what follows it was interrupted by {error.name}."
                raise Interrupted(error.name, told) from error
        finally:
            self.listeners.close()
        return finished

    def _finish(self, checkpoint_every: float, interrupts: Interrupts) -> Generator[None, None, Run]:
        """Train, and write what it came to; if that fails, the provenance says why."""
        try:
            self.folder.start_log(self.checkpoint.log if self.checkpoint else None)
            with interrupts.deferred():  # also while results are written, which takes seconds and finishes the run
                self.listeners.make(self.folder.path)
                if self.resumed is not None:
                    self.recorder(self.resumed)
                trainer = yield from self._train(checkpoint_every, interrupts)
                finished = self._record(trainer)
                if self.group is not None:
                    self.group.tell(replace(finished, model=None, parts={}))  # type: ignore[arg-type]
                if self.ready.config.n_clusters == "auto":  # what is needed to load the model
                    self.folder.write_config(self.recorder.config)
                end = describe_end(self.recorder.seconds, trainer.mode)
                self.folder.write_json(PROVENANCE, self.provenance | end)
        except BaseException as error:
            self.folder.write_failure(self.provenance | describe_failure(error))
            raise
        return finished

    def _train(self, checkpoint_every: float, interrupts: Interrupts) -> Generator[None, None, Trainer]:
        config, images = self.ready.config, self.ready.images
        pretrained = config.autoencoder is not None
        try:
            trainer = Trainer(
                images.x, self.model, config.train,
                seed=config.seed, device=self.ready.device, notify=self.recorder, pretrained=pretrained,
                start=self.ready.start, make_head=self._make_head if config.n_clusters == "auto" else None,
                images_mode=self.ready.images_mode, peers=self.group or ALONE,
            )  # fmt: skip
            if self.checkpoint is not None:
                self._take_up(trainer, self.checkpoint)
                self.checkpoint = None  # its tensors are not needed twice
            if self.group is not None:
                begin(self.group, trainer, self.today)
            if trainer.phase == "init_centers":  # these are the pretrained weights
                self._keep_autoencoder()
            phase, due = trainer.phase, time.monotonic() + checkpoint_every
            for _ in trainer.steps():
                asked = interrupts.pending  # looked at once: a signal may come between saving and ending
                if self.group is not None:
                    asked = self.group.agree(asked)
                if checkpoint_every and (asked or trainer.phase != phase or time.monotonic() >= due):
                    self._save(trainer)
                    phase, due = trainer.phase, time.monotonic() + checkpoint_every
                if asked and self.group is not None:
                    self.group.tell(None)
                if asked:
                    raise self._interrupted(asked, saved=checkpoint_every > 0)
                yield
        except (DecdaError, KeyboardInterrupt):
            raise
        except (Exception, SystemExit) as error:
            explained = explain_failure(error, self.model, self.parts, config, tuple(images.x.shape))
            if explained is None:
                raise
            raise explained from error
        return trainer

    def _make_head(self, n_clusters: int) -> ClusteringHead:
        head = build_head(self.ready.config, self.registry, n_clusters, self.model.autoencoder.embedding_dim)
        self.model = replace(self.model, head=head)
        return head

    def _take_up(self, trainer: Trainer, checkpoint: Checkpoint) -> None:
        try:
            trainer.load_state_dict(checkpoint.state["trainer"])
            self.recorder.load_state_dict(checkpoint.state["recorder"], trainer.device)
            if trainer.n_clusters is not None:
                self.recorder.config = self.recorder.config.counted(trainer.n_clusters)
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise UnusableCheckpoint(
                f"The checkpoint in {self.checkpoints.folder} does not fit this run: {in_a_line(error)}. A part may "
                "have changed without a new version. Restore it, or start a new run."
            ) from error

    def _save(self, trainer: Trainer) -> None:
        trainer.check_finite()
        state = {
            "trainer": trainer.state_dict(),
            "recorder": self.recorder.state_dict(),
            "provenance": self.provenance,
        }
        self.checkpoints.write(Checkpoint(state, self.folder.read_log()))

    def _interrupted(self, name: str, saved: bool) -> Interrupted:
        told = "it is saved up to this moment" if saved else "without checkpoints it was not saved"
        path = self.folder.path
        return Interrupted(name, f"The run {path} was interrupted by {name}; {told}.", path if saved else None)

    def _keep_autoencoder(self) -> None:
        self.folder.write_weights(AUTOENCODER, {"autoencoder": self.ready.model.autoencoder})

    def _record(self, trainer: Trainer) -> Run:
        """Write everything but the provenance."""
        config, recorder, folder, images = self.recorder.config, self.recorder, self.folder, self.ready.images
        kept, judgement = self._judge(trainer)
        labels, confidence = trainer.labels.cpu().numpy(), trainer.confidence.cpu().numpy()
        metrics = scores(self.classes, labels)
        folder.write_weights(MODEL, trainer.model.modules())
        if images.skipped:
            folder.write_skipped(images.skipped)
        folder.write_labels(labels, confidence, images.names)
        warnings = collapse_warnings(
            labels, config.known_clusters,
            recorder.start_labels, recorder.start_embeddings, config.seed, recorder.emptied,
        )  # fmt: skip
        folder.write_json(
            "metrics.json",
            {
                "schema_version": SCHEMA_VERSION,
                "n_samples": len(labels),
                "n_clusters": config.n_clusters,
                **metrics,
                "baseline": recorder.baseline,
                "start": recorder.start,
                "judgement": judgement,
                **kept,
                **recorder.ends,
                "warnings": warnings,
            },
        )
        return Run(
            folder.path, config, trainer.model, tuple(images.x.shape[1:]), labels.astype(np.int64), confidence,
            images.names, metrics, recorder.baseline, recorder.start, recorder.seconds, {**recorder.ends, **kept},
            warnings,
            {kind: part for kind, part in self.parts.items() if kind != "dataset"},  # which may hold all images
            judgement,
        )  # fmt: skip

    def _judge(self, trainer: Trainer) -> tuple[dict[str, str], dict[str, float | None]]:
        """Judge the clusters by the images alone; take the model back to its start if it is to be kept where better."""
        x, n_clusters, begun = self.ready.images.x, self.recorder.config.known_clusters, self.recorder.start_labels

        def judge(labels: NDArray[np.int64]) -> dict[str, float | None]:
            return judge_labels(x, labels, trainer.confidence.cpu().numpy(), n_clusters, begun=begun)

        judgement = judge(trainer.labels.cpu().numpy())
        better = False
        if self.ready.config.train.keep == "better" and begun is not None:
            better = choose_best([{"judgement": judgement}, {"judgement": judge(begun)}]) == 1
        if self.group is not None:
            self.group.tell(better)
        if self.ready.config.train.keep == "end":
            return {}, judgement
        if better:
            trainer.go_back()
            return {"kept": "start"}, judge(trainer.labels.cpu().numpy())
        return {"kept": "end"}, judgement
