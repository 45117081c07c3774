"""The work on one run: saved, interrupted and resumed; what cannot be written; clusters lost."""

import csv
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.config.run_config import PartConfig, RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import ConfigError, DataError, OutputError, TrainingDiverged, UnusableCheckpoint
from decda.core.events import ClustersLost, Event, PhaseEnded, Progress, Refreshed, Resumed
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs import experiment, session
from decda.core.runs.checkpoints import Checkpoint, Checkpoints
from decda.core.runs.experiment import run, run_stepwise
from decda.core.runs.inference import load_run
from decda.core.runs.run import Run
from tests.conftest import SHORT

FILES = Files(offline=True)
EQUAL = ("model.safetensors", "autoencoder.safetensors", "labels.csv", "log.csv", "metrics.json", "config.toml")
"""The files that equal runs write byte for byte."""
LONGER = (*SHORT[1:], "train.pretrain_epochs=2", "train.max_iter=7", "train.batch_size=100")
"""Three batches in an epoch, four refreshes."""


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """The built-in parts, and a data set of a few digits."""
    digits = registry.load(registry.find("dataset", "digits")).factory(size=8)
    own = Registry(registry)
    own.add("dataset", "few", lambda: ImageSet(digits.x[:300], digits.y[:300]))
    return own


def short(registry: Registry, encoder: str = "conv", head: str = "idec", *settings: str, **words: Any) -> RunConfig:
    parts = {"dataset": "few", "encoder": encoder, "head": head}
    return compose(registry, parts=parts, settings=[*LONGER, *settings], **words)


def cut(config: RunConfig, registry: Registry, out: Path, steps: int, **words: Any) -> Run | None:
    """Make some steps of a run and interrupt it; its result if it has finished before."""
    interrupts = Interrupts()
    work = run_stepwise(config, registry, FILES, out=out, resume=True, interrupts=interrupts, **words)
    try:
        for _ in range(steps):
            next(work)
        interrupts.pending = "SIGTERM"
        next(work)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    except Interrupted:
        return None
    raise AssertionError("it was not interrupted")


def status(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "provenance.json").read_text())
    return content


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.name.startswith(".") or path.name.endswith("partial")]


COMPOSITIONS = [
    ("conv", "idec", ()),
    ("fc", "dec", ("train.pretrain_optimizer=sgd", "train.cluster_optimizer=sgd")),
    ("fc", "dcn", ("head.centers=refreshed",)),
]


@pytest.mark.parametrize(("encoder", "head", "settings"), COMPOSITIONS)
def test_an_interrupted_run_goes_on_bit_for_bit(
    registry: Registry, tmp_path: Path, encoder: str, head: str, settings: tuple[str, ...]
) -> None:
    """However often and wherever a run is interrupted, its files become those of an uninterrupted run."""
    config = short(registry, encoder, head, *settings)
    whole = run(config, registry, FILES, out=tmp_path / "whole", checkpoint_every=0)
    for stride in (1, 2, 3, 5) if encoder == "conv" else (3,):  # the weights of fc are many
        out = tmp_path / f"every-{stride}"
        times = itertools.count()
        while (done := cut(config, registry, out, stride)) is None:
            assert status(out)["status"] == "interrupted"
            next(times)
        assert next(times) >= 2
        for name in EQUAL:
            assert (out / name).read_bytes() == (whole.folder / name).read_bytes(), (stride, name)
        assert (done.labels == whole.labels).all()
        assert done.metrics == whole.metrics
        assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in whole.folder.iterdir())


def test_a_killed_run_goes_on_from_its_last_checkpoint(registry: Registry, tmp_path: Path) -> None:
    """What was done after the checkpoint is done again, the rows in the log among it."""
    config, out = short(registry), tmp_path / "run"
    whole = run(config, registry, FILES, out=tmp_path / "whole")
    work = run_stepwise(config, registry, FILES, out=out)
    for _ in range(13):
        next(work)
    kept = tmp_path / "kept"
    shutil.copytree(out, kept)  # as it would be found after SIGKILL
    (kept / ".lock").unlink()
    (kept / ".labels.csv.partial").write_text("half")
    work.close()
    assert status(kept)["status"] == "started"
    events: list[Event] = []
    run(config, registry, FILES, out=kept, resume=True, notify=events.append)
    assert Resumed("cluster", 0, []) in events
    for name in EQUAL:
        assert (kept / name).read_bytes() == (whole.folder / name).read_bytes(), name
    assert not leftovers(kept)


def test_a_run_without_a_checkpoint_begins_again(registry: Registry, tmp_path: Path) -> None:
    """A run that was killed before its first checkpoint begins again from its config.toml, also without provenance."""
    config, out = short(registry), tmp_path / "run"
    whole = run(config, registry, FILES, out=tmp_path / "whole")
    next(run_stepwise(config, registry, FILES, out=out))
    (out / "provenance.json").unlink()
    (out / "log.csv").unlink()
    events: list[Event] = []
    run(config, registry, FILES, out=out, resume=True, notify=events.append)
    assert Resumed("start", 0) in events
    assert (out / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()


def test_an_empty_folder_is_begun_in(registry: Registry, tmp_path: Path) -> None:
    """Jobs whose process was killed before it wrote anything begin in the folder that is there."""
    (tmp_path / "run").mkdir()
    assert run(short(registry), registry, FILES, out=tmp_path / "run", resume=True).folder == tmp_path / "run"
    with pytest.raises(ConfigError, match="exists already"):
        run(short(registry), registry, FILES, out=tmp_path / "run")


def test_a_finished_run_is_left_alone(registry: Registry, tmp_path: Path) -> None:
    """Resuming it returns it as it is, says so, and changes no byte and no time stamp."""
    config = short(registry)
    first = run(config, registry, FILES, out=tmp_path / "run")
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in first.folder.iterdir()}
    events: list[Event] = []
    again = run(config, registry, FILES, out=tmp_path / "run", resume=True, notify=events.append)
    assert events == [Resumed("finished", 0)]
    assert (again.labels == first.labels).all()
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in first.folder.iterdir()} == before


def test_without_checkpoints_nothing_is_saved(registry: Registry, tmp_path: Path) -> None:
    """With `checkpoint_every=0` an interrupt ends the run, and the message does not claim that it was saved."""
    assert cut(short(registry), registry, tmp_path / "run", 4, checkpoint_every=0) is None
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert "without checkpoints it was not saved" in status(tmp_path / "run")["reason"]


def test_checkpoints_are_made_by_time_and_phase(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is made when the time has come, and one at the end of each phase."""
    clock = [0.0]
    monkeypatch.setattr(session.time, "monotonic", lambda: clock[0])
    written: list[tuple[str, int]] = []

    def note(self: Any, checkpoint: Any) -> None:
        trainer = checkpoint.state["trainer"]
        written.append((trainer["phase"], trainer["position"] or trainer["batch"]))

    monkeypatch.setattr(session.Checkpoints, "write", note)
    for _ in run_stepwise(short(registry), registry, FILES, out=tmp_path / "run", checkpoint_every=2.5):
        clock[0] += 1.0
    ends = [("init_centers", 0), ("cluster", 0), ("done", 0)]
    timed = [place for place in written if place not in ends]
    assert [place for place in written if place in ends] == ends
    assert timed == [("pretrain", 1), ("cluster", 3), ("cluster", 6)]


def test_provenance_tells_each_resumption(registry: Registry, tmp_path: Path) -> None:
    """It says where the run went on and what was different, and keeps when it was started; seconds add up."""
    config, out = short(registry), tmp_path / "run"
    cut(config, registry, out, 3)
    started = status(out)["started"]
    cut(config, registry, out, 6)
    provenance = status(run(config, registry, FILES, out=out, resume=True).folder)
    assert (provenance["status"], provenance["started"]) == ("finished", started)
    assert "reason" not in provenance
    places = [(each["phase"], each["step"], each["differences"]) for each in provenance["resumed"]]
    assert places == [("pretrain", 1, []), ("cluster", 3, [])]
    assert list(provenance["seconds"]) == ["pretrain", "total", "init_centers", "cluster"]
    parts = sum(provenance["seconds"][phase] for phase in ("pretrain", "init_centers", "cluster"))
    assert provenance["seconds"]["total"] >= parts - 0.01


def test_seconds_of_a_phase_are_its_own(registry: Registry, tmp_path: Path) -> None:
    """A run that goes on at the end of a phase does not count that phase once more."""
    config, out = short(registry), tmp_path / "run"

    def slow(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "pretrain":
            time.sleep(0.5)

    work = run_stepwise(config, registry, FILES, out=out, notify=slow)
    for _ in range(2 * 3 + 1):
        next(work)
    work.close()
    seconds = run(config, registry, FILES, out=out, resume=True).seconds
    assert seconds["pretrain"] >= 1
    assert seconds["init_centers"] < 1


def test_a_diverged_run_keeps_its_last_good_checkpoint(registry: Registry, tmp_path: Path) -> None:
    """It ends at the very step, with status `diverged`; the state before it stays, and goes on to the same end."""
    own = registry.copy()
    dec = registry.load(registry.find("head", "dec")).factory

    class Bursting(dec):  # type: ignore[misc, valid-type]
        def __init__(self, n_clusters: int, embedding_dim: int) -> None:
            super().__init__(n_clusters, embedding_dim)
            self.register_buffer("refreshes", torch.zeros(()))

        def refresh(self, z: torch.Tensor) -> Any:
            self.refreshes.add_(1)
            return super().refresh(z)

        def loss(self, batch: Any) -> dict[str, torch.Tensor]:
            return {"kl": super().loss(batch)["kl"] / (self.refreshes < 3)}

    own.add("head", "bursting", Bursting)
    config, out = short(own, head="bursting"), tmp_path / "run"
    for resume in (False, True):
        with pytest.raises(TrainingDiverged, match="at iteration 5 of clustering the loss term 'kl'"):
            run(config, own, FILES, out=out, checkpoint_every=1e-9, resume=resume)
        assert status(out)["status"] == "diverged"
        names = sorted(path.name for path in (out / "checkpoints").iterdir())
        assert len(names) == 2
        assert not (out / "model.safetensors").exists()


def test_checkpoints_that_cannot_be_used_are_an_error(registry: Registry, tmp_path: Path) -> None:
    """If both are damaged the run does not silently begin again, and stays as it was."""
    config, out = short(registry), tmp_path / "run"
    cut(config, registry, out, 12)
    for file in (out / "checkpoints").glob("*/state.json"):
        file.write_bytes(b"")
    before = status(out)
    with pytest.raises(UnusableCheckpoint):
        run(config, registry, FILES, out=out, resume=True)
    assert status(out) == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: content["parts"]["head"].update(version="0.0.9"), "another head 'idec': decda:idec 0.0.9"),
        (lambda content: content.update(data_sha256="abc"), "other images: sha256 abc"),
        (lambda content: content.update(classes_sha256="abc"), "other classes: sha256 abc"),
        (lambda content: content.update(config_sha256="abc"), "another configuration: sha256 abc"),
        (lambda content: content.update(loaded={"x.py": "12"}), "other files of parts: x.py (sha256 12) then, none"),
    ],
)
def test_other_parts_or_images_are_refused(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None], told: str
) -> None:
    """A run never goes on with another part, version, file or data set than it was started with; both are told."""
    config, out = short(registry), tmp_path / "run"
    genuine = session.Session.__init__

    def forge(self: Any, *words: Any, **more: Any) -> None:
        change(words[4])
        genuine(self, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(session.Session, "__init__", forge)
        cut(config, registry, out, 3)
    with pytest.raises(UnusableCheckpoint) as caught:
        run(config, registry, FILES, out=out, resume=True)
    assert told in str(caught.value)
    assert " now. Restore what it was started with" in str(caught.value)


def test_another_machine_goes_on_and_says_so(registry: Registry, tmp_path: Path) -> None:
    """Another number of threads, processor or version of a library is told, and is no obstacle."""
    config, out = short(registry), tmp_path / "run"
    cut(config, registry, out, 3)
    events: list[Event] = []
    torch.set_num_threads(2)
    try:
        run(config, registry, FILES, out=out, resume=True, notify=events.append)
    finally:
        torch.set_num_threads(1)
    assert Resumed("pretrain", 1, ["threads: 1 then, 2 now"]) in events


def test_the_pretrained_autoencoder_is_needed_only_once(registry: Registry, tmp_path: Path) -> None:
    """A run that starts from the weights of another goes on although that one was removed."""
    run(short(registry), registry, FILES, out=tmp_path / "first")
    config = short(registry, autoencoder=tmp_path / "first")
    whole = run(config, registry, FILES, out=tmp_path / "whole")
    cut(config, registry, tmp_path / "run", 3)
    shutil.rmtree(tmp_path / "first")
    done = run(config, registry, FILES, out=tmp_path / "run", resume=True)
    assert (done.labels == whole.labels).all()


HOLD = """
import sys, time
from pathlib import Path
from decda.core.runs.lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_at_work_is_not_touched(registry: Registry, tmp_path: Path) -> None:
    """A second process is refused, and told the first one's pid; once that was killed, it goes on."""
    config, out = short(registry), tmp_path / "run"
    cut(config, registry, out, 3)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(ConfigError, match=rf"in use by process {holder.pid}\b"):
            run(config, registry, FILES, out=out, resume=True)
        holder.kill()
        holder.wait()
        assert len(run(config, registry, FILES, out=out, resume=True).labels) == 300


@pytest.mark.parametrize(
    "file", ["log.csv", "autoencoder.safetensors", "checkpoints", "model.safetensors", "labels.csv", "metrics.json"]
)
def test_a_full_disk_is_told_and_harms_nothing(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """Whichever file does not fit is named with the reason, the status is `failed`, and the run can go on later."""
    config, out = short(registry), tmp_path / "run"
    whole = run(config, registry, FILES, out=tmp_path / "whole")
    genuine = os.fsync

    def full(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if file in path and str(out) in path and os.path.isfile(path):
            raise OSError(28, "No space left on device")
        genuine(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match=rf"{file} cannot be written: No space left on device") as caught:
            run(config, registry, FILES, out=out)
    assert caught.value.exit_code == 1
    assert status(out)["status"] == "failed"
    assert file in status(out)["reason"]
    assert not leftovers(out)
    run(config, registry, FILES, out=out, resume=True)
    for name in EQUAL:
        assert (out / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_a_folder_that_is_removed_while_training(registry: Registry, tmp_path: Path) -> None:
    """The error names what cannot be written there any more."""

    def remove(event: Event) -> None:
        if isinstance(event, PhaseEnded):
            shutil.rmtree(tmp_path / "run", ignore_errors=True)

    with pytest.raises(OutputError, match="run/.* cannot be written: No such file or directory"):
        run(short(registry), registry, FILES, out=tmp_path / "run", notify=remove)
    assert not (tmp_path / "run").exists()


def test_clusters_that_lose_all_images_are_reported(registry: Registry, tmp_path: Path) -> None:
    """In the log, as an event when it happens, and in the summary with the iteration."""
    own = registry.copy()
    dec = registry.load(registry.find("head", "dec")).factory

    class Shrinking(dec):  # type: ignore[misc, valid-type]
        def __init__(self, n_clusters: int, embedding_dim: int) -> None:
            super().__init__(n_clusters, embedding_dim)
            self.register_buffer("refreshes", torch.zeros((), dtype=torch.int64))

        def init_centers(self, z: torch.Tensor, seed: int) -> None:
            self.centers.data.copy_(z[:: len(z) // len(self.centers)])

        def soft_assign(self, z: torch.Tensor) -> torch.Tensor:
            q = super().soft_assign(z)
            lost = torch.arange(q.shape[1]) < (self.refreshes > 1) * 2  # the first two, from the second refresh on
            q = q * ~lost
            return q / q.sum(1, keepdim=True)

        def refresh(self, z: torch.Tensor) -> Any:
            self.refreshes.add_(1)
            return super().refresh(z)

        def loss(self, batch: Any) -> dict[str, torch.Tensor]:
            return {"none": 0.0 * batch.z.sum() + 0.0 * self.centers.sum()}

    own.add("head", "shrinking", Shrinking)
    x = torch.eye(4).repeat_interleave(10, 0).reshape(40, 1, 1, 4)
    own.add("dataset", "four", lambda: ImageSet(x))
    events: list[Event] = []
    config = compose(
        own, parts={"dataset": "four", "encoder": "fc", "head": "shrinking", "augment": "none"}, n_clusters=4,
        settings=[*LONGER, "train.pretrain_epochs=0"],
    )  # fmt: skip
    out = tmp_path / "run"
    done = run(config, own, FILES, out=out, notify=events.append)
    assert [(event.iteration, event.clusters) for event in events if isinstance(event, ClustersLost)] == [(2, [0, 1])]
    with open(out / "log.csv", newline="") as file:
        assert [row["clusters"] for row in csv.DictReader(file)] == ["4", "2", "2", "2"]
    told = "Only 2 of 4 clusters hold any images: clusters 0, 1 empty by iteration 2."
    assert done.warnings[0] == told
    assert json.loads((out / "metrics.json").read_text())["warnings"][0] == told
    assert load_run(out, own).warnings[0] == told


def test_progress_counts_on(registry: Registry, tmp_path: Path) -> None:
    """The events of a resumed run carry the steps of the whole run."""
    config, out = short(registry), tmp_path / "run"
    cut(config, registry, out, 12)
    events: list[Event] = []
    run(config, registry, FILES, out=out, resume=True, notify=events.append)
    assert next(event.step for event in events if isinstance(event, Progress)) > 1


def test_nothing_is_saved_that_is_not_finite(registry: Registry, tmp_path: Path) -> None:
    """A weight that has just become infinite ends the run before it is saved; the former checkpoint stays the last."""
    config, out = short(registry), tmp_path / "run"
    cut(config, registry, out, 3)
    before = sorted(path.name for path in (out / "checkpoints").iterdir())

    def spoil(event: Event) -> None:
        if isinstance(event, PhaseEnded) and event.phase == "pretrain":
            next(seen[0].autoencoder.parameters()).data[0] = float("inf")

    seen: list[Any] = []
    genuine = session.Trainer

    class Watched(genuine):  # type: ignore[misc, valid-type]
        def __init__(self, *words: Any, **named: Any) -> None:
            super().__init__(*words, **named)
            seen.append(self.model)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "Trainer", Watched)
        with pytest.raises(TrainingDiverged, match="the weight '.*' was not a finite number"):
            run(config, registry, FILES, out=out, resume=True, notify=spoil)
    assert sorted(path.name for path in (out / "checkpoints").iterdir()) == before


def test_a_missing_autoencoder_is_written_again(registry: Registry, tmp_path: Path) -> None:
    """If the pretrained weights are gone when the run goes on right after pretraining, they are written once more."""
    config, out = short(registry), tmp_path / "run"
    work = run_stepwise(config, registry, FILES, out=out)
    for _ in range(2 * 3 + 1):
        next(work)
    work.close()
    content = (out / "autoencoder.safetensors").read_bytes()
    (out / "autoencoder.safetensors").unlink()
    events: list[Event] = []
    run(config, registry, FILES, out=out, resume=True, notify=events.append)
    assert Resumed("init_centers", 0, []) in events
    assert (out / "autoencoder.safetensors").read_bytes() == content


@pytest.fixture
def labelled(registry: Registry, tmp_path: Path) -> RunConfig:
    """A run that starts from the labels in the folder `other`."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "labels.csv").write_text("label\n" + "".join(f"{n % 10}\n" for n in range(300)))
    config = short(registry, "fc")
    return replace(config, start=PartConfig("decda:labels", {"path": tmp_path / "other"}))


@pytest.mark.parametrize("gone", [True, False])
def test_the_files_of_a_start_are_needed_only_once(
    registry: Registry, tmp_path: Path, labelled: RunConfig, gone: bool
) -> None:
    """A run past its start goes on though the labels it started from are gone, or others by now."""
    whole = run(labelled, registry, FILES, out=tmp_path / "whole")
    recorded = status(whole.folder)["start_files"]
    labels = tmp_path / "other" / "labels.csv"
    assert recorded == {str(labels): hashlib.sha256(labels.read_bytes()).hexdigest()}
    assert cut(labelled, registry, tmp_path / "run", 8) is None
    if gone:
        labels.unlink()
    else:
        labels.write_text("label\n")
    done = run(labelled, registry, FILES, out=tmp_path / "run", resume=True)
    for name in EQUAL:
        assert (done.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    assert status(done.folder)["start_files"] == recorded


@pytest.mark.parametrize("checkpoints", [True, False])
def test_other_files_of_a_start_are_refused(
    registry: Registry, tmp_path: Path, labelled: RunConfig, checkpoints: bool
) -> None:
    """A run that has yet to use its start does not go on with other labels; with the former ones it does."""
    cut(labelled, registry, tmp_path / "run", 2, checkpoint_every=60.0 if checkpoints else 0)
    labels = tmp_path / "other" / "labels.csv"
    former = labels.read_text()
    labels.write_text(former.replace("9", "8"))
    with pytest.raises(UnusableCheckpoint, match=r"cannot go on with other files of its start: .*labels\.csv"):
        run(labelled, registry, FILES, out=tmp_path / "run", resume=True)
    labels.write_text(former)
    run(labelled, registry, FILES, out=tmp_path / "run", resume=True)


def test_another_pretrained_autoencoder_is_refused(registry: Registry, tmp_path: Path) -> None:
    """A run that was killed before its first checkpoint does not begin again from other weights."""
    for seed in (0, 1):
        run(short(registry, seed=seed), registry, FILES, out=tmp_path / f"{seed}")
    config = short(registry, autoencoder=tmp_path / "0")
    next(run_stepwise(config, registry, FILES, out=tmp_path / "run", checkpoint_every=0))
    shutil.copy(tmp_path / "1" / "autoencoder.safetensors", tmp_path / "0" / "autoencoder.safetensors")
    with pytest.raises(UnusableCheckpoint, match="another pretrained autoencoder: sha256 .* then, sha256 .* now"):
        run(config, registry, FILES, out=tmp_path / "run", resume=True)


def test_the_configuration_is_written_first(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens next, the run can begin again from its config.toml."""

    def fail(self: Any, name: str, values: Any) -> None:
        raise OutputError("No room.")

    monkeypatch.setattr(session.RunFolder, "write_json", fail)
    with pytest.raises(OutputError):
        run(short(registry), registry, FILES, out=tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.toml"]


def test_a_buffer_may_be_infinite(registry: Registry, tmp_path: Path) -> None:
    """A part whose buffer holds infinity, as a mask does, is no divergence when its run is saved."""
    own = registry.copy()
    conv = registry.load(registry.find("encoder", "conv")).factory

    class Masked(conv):  # type: ignore[misc, valid-type]
        def __init__(self, input_shape: tuple[int, ...]) -> None:
            super().__init__(input_shape)
            self.register_buffer("mask", torch.tensor(float("-inf")))

    own.add("encoder", "masked", Masked)
    assert len(run(short(own, encoder="masked"), own, FILES, out=tmp_path / "run").labels) == 300


def test_a_state_that_does_not_fit_is_an_unusable_checkpoint(registry: Registry, tmp_path: Path) -> None:
    """A part that was changed without a new version does not pass for a part that failed; the exit code is 6."""
    own = registry.copy()
    dec = registry.load(registry.find("head", "dec")).factory
    own.add("head", "mine", dec)
    out = tmp_path / "run"
    cut(short(own, head="mine"), own, out, 12)

    class Wider(dec):  # type: ignore[misc, valid-type]
        def __init__(self, n_clusters: int, embedding_dim: int) -> None:
            super().__init__(n_clusters, embedding_dim)
            self.register_buffer("more", torch.zeros(2))

    changed = registry.copy()
    changed.add("head", "mine", Wider)
    with pytest.raises(UnusableCheckpoint, match="does not fit this run: RuntimeError"):
        run(short(changed, head="mine"), changed, FILES, out=out, resume=True)


def test_a_trained_model_is_not_trained_again(registry: Registry, tmp_path: Path) -> None:
    """A finished run whose provenance was lost is not taken for one that was killed at once."""
    out = run(short(registry), registry, FILES, out=tmp_path / "run").folder
    (out / "provenance.json").write_text("{half")
    content = (out / "model.safetensors").read_bytes()
    with pytest.raises(DataError, match="holds a trained model, but its provenance"):
        run(short(registry), registry, FILES, out=out, resume=True)
    assert (out / "model.safetensors").read_bytes() == content


@pytest.mark.parametrize("every", [-1, float("nan"), "60", None])
def test_a_wrong_interval_is_refused(registry: Registry, tmp_path: Path, every: Any) -> None:
    """What is no number of seconds is refused before there is a folder."""
    with pytest.raises(ConfigError, match="checkpoint_every must be a number of seconds, 0 or more"):
        run(short(registry), registry, FILES, out=tmp_path / "run", checkpoint_every=every)
    assert not list(tmp_path.iterdir())


def test_a_run_that_another_process_has_just_finished(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the run is finished by the time that its folder is free, it is left alone, not made again."""
    config, out = short(registry), tmp_path / "run"
    cut(config, registry, out, 3)
    genuine = experiment.FolderLock.__enter__

    def wait(self: Any) -> None:
        monkeypatch.setattr(experiment.FolderLock, "__enter__", genuine)
        run(config, registry, FILES, out=out, resume=True)
        genuine(self)

    monkeypatch.setattr(experiment.FolderLock, "__enter__", wait)
    events: list[Event] = []
    run(config, registry, FILES, out=out, resume=True, notify=events.append)
    assert events == [Resumed("finished", 0)]


def test_what_a_killed_process_left_beside_a_finished_run_is_cleared(registry: Registry, tmp_path: Path) -> None:
    """Checkpoints that were not removed any more go when the finished run is resumed."""
    config, out = short(registry), tmp_path / "run"
    cut(config, registry, out, 12)
    shutil.copytree(out / "checkpoints", tmp_path / "kept")
    run(config, registry, FILES, out=out, resume=True)
    shutil.copytree(tmp_path / "kept", out / "checkpoints")
    run(config, registry, FILES, out=out, resume=True)
    assert not (out / "checkpoints").exists()


def test_a_checkpoint_without_a_run_is_unusable(registry: Registry, tmp_path: Path) -> None:
    """A whole checkpoint that lacks what a run goes on from is told, with exit code 6."""
    config, out = short(registry), tmp_path / "run"
    cut(config, registry, out, 3)
    Checkpoints(out).write(Checkpoint({"trainer": {"phase": "pretrain"}}, b""))
    with pytest.raises(UnusableCheckpoint, match="lacks what a run goes on from: KeyError"):
        run(config, registry, FILES, out=out, resume=True)


def test_the_configuration_is_not_rewritten(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is resumed with a relative path of its autoencoder keeps the absolute one in its config.toml."""
    monkeypatch.chdir(tmp_path)
    run(short(registry), registry, FILES, out=Path("first"))
    config, out = short(registry, autoencoder=Path("first")), tmp_path / "run"
    cut(config, registry, out, 3)
    before = (out / "config.toml").read_bytes()
    assert str(tmp_path).encode() in before
    run(config, registry, FILES, out=out, resume=True)
    assert (out / "config.toml").read_bytes() == before


@pytest.mark.parametrize(("figures", "kept"), [((0.5, 0.6), "start"), ((0.6, 0.5), "end"), ((0.5, 0.5), "end")])
def test_the_better_of_start_and_end_is_kept(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: tuple[float, float], kept: str
) -> None:
    """With `keep=better` images alone decide; labels, model and metrics are then those of one and the same moment."""
    told = iter([*figures, 0.7])

    def judge(*args: Any, **words: Any) -> dict[str, float]:
        return {"neighbours": next(told)}

    monkeypatch.setattr(session, "judge_labels", judge)
    events: list[Event] = []
    config = compose(registry, parts={"encoder": "fc"}, settings=[*SHORT, "train.keep=better", "train.max_iter=40"])
    done = run(config, registry, FILES, out=tmp_path / "run", notify=events.append)
    begun = next(event.labels for event in events if isinstance(event, Refreshed))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (metrics["kept"], done.ends["kept"]) == (kept, kept)
    assert (done.labels == begun.numpy()).all() == (kept == "start")
    assert metrics["judgement"]["neighbours"] == (0.7 if kept == "start" else figures[0])
    again = load_run(tmp_path / "run", registry)
    assert again.ends["kept"] == kept
    digits = registry.load(registry.find("dataset", "digits")).factory(size=8)
    assert (again.predict(digits.x) == done.labels).all()
