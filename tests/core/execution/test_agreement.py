"""What a worker must have in common with home."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.errors import EngineError
from decda.core.execution import agreement, worker
from decda.core.execution.agreement import check_parts, check_torch, expectations, load_expected_images
from decda.core.execution.messages import Failed, Job
from decda.core.execution.protocol import WorkerJob
from decda.core.execution.worker import Reporter
from decda.core.files import Files
from decda.core.parts.entries import Entry
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupts
from decda.core.runs.images import hash_images, load_images
from tests.conftest import SHORT

FILES = Files(offline=True)


@pytest.fixture
def config(registry: Registry) -> RunConfig:
    return compose(registry, parts={"encoder": "fc", "augment": "affine+shift"}, settings=SHORT)


def moved(registry: Registry, name: str, version: str | None) -> Registry:
    """The parts of another machine: one is of another version, or missing."""
    kept = [entry for entry in registry if entry.name != name]
    found = [replace(entry, version=version) for entry in registry if entry.name == name and version is not None]
    return Registry([*kept, *found])


def test_parts_are_told_with_package_and_version(registry: Registry, config: RunConfig) -> None:
    """Each link of a chain is a part; what a file has added is not told, because its digest is compared."""
    own = registry.copy()
    own.add("head", "mine", registry.load(registry.find("head", "dec")).factory)
    config = replace(config, head=replace(config.head, name="local:mine"))
    parts = expectations(config, own, ["decda:report"], device="cpu")["parts"]
    version = registry.find("head", "dec").version
    assert [(kind, name) for kind, name, *_ in parts] == [
        *(("dataset", "digits"), ("encoder", "fc"), ("augment", "affine"), ("augment", "shift"), ("start", "kmeans")),
        ("listener", "report"),
    ]
    assert {tuple(origin) for *_, origin in ((*part[:2], part[2:]) for part in parts)} == {("decda", version)}


def test_a_worker_without_a_part(registry: Registry, config: RunConfig) -> None:
    """The error names the part, its package with the version, and how to install it; so it does for another version."""
    expected = expectations(config, registry, device="cpu")
    check_parts(expected, registry)
    version = registry.find("encoder", "fc").version
    with pytest.raises(EngineError) as caught:
        check_parts(expected, moved(registry, "fc", None))
    assert str(caught.value) == (
        f"The encoder 'fc' comes from decda {version} at home, and this worker lacks it. Install it in the Python of "
        f"the worker: python -m pip install decda=={version}"
    )
    with pytest.raises(EngineError, match=r"augment 'shift' .* this worker has decda 9\.9\."):
        check_parts(expected, moved(registry, "shift", "9.9"))


def test_another_torch_is_told(
    registry: Registry, config: RunConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """PyTorch may be another one, which rounds in its own way; how it was built does not matter."""
    expected = expectations(config, registry, device="cpu")
    monkeypatch.setattr(agreement, "version", lambda name: f"{expected['torch']}+cu129")
    check_torch(expected)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(agreement, "version", lambda name: "2.9.0")
    check_torch(expected)
    assert f"PyTorch is 2.9.0 on this worker, and {expected['torch']} at home" in capsys.readouterr().err


def test_other_images(registry: Registry, config: RunConfig) -> None:
    """Images that are not those at home are an error with both digests; unknown ones are not loaded for that."""
    images = load_images(config, registry, FILES)
    digest = hash_images(images.x)

    def expected(digest: str) -> dict[str, Any]:
        return expectations(config, registry, device="cpu", data_sha256=digest)

    loaded = load_expected_images(expected(digest), config, registry, FILES)
    assert loaded is not None
    assert torch.equal(loaded.x, images.x)
    assert load_expected_images(expected(""), config, registry, FILES) is None
    with pytest.raises(EngineError, match=f"'digits' differ on this worker: sha256 {digest}, and 0a1b at home"):
        load_expected_images(expected("0a1b"), config, registry, FILES)


def test_a_device_that_is_not_there(registry: Registry, config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that states a GPU and has none computes nothing that would be taken for the work of a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineError, match="planned for the device 'cuda', and PyTorch computes on 'cpu' here"):
        load_expected_images(expectations(config, registry, device="cuda"), config, registry, FILES)


@pytest.mark.parametrize(("missing", "told"), [("fc", "this worker lacks it"), ("", "and 0a1b at home")])
def test_a_process_that_does_not_agree_makes_no_folder(
    registry: Registry, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, told: str
) -> None:
    """What does not agree is found before anything is written, and has the exit code of engines."""
    monkeypatch.setattr(Registry, "discover", lambda: moved(registry, missing, None))
    made = WorkerJob.from_job(Job(0, config, tmp_path / "run"), data_root=None, offline=True, threads=1)
    expected = expectations(config, registry, device="cpu", data_sha256="0a1b")
    outcome = worker._outcome(replace(made, expected=expected), Reporter(io.StringIO(), Interrupts()))
    assert isinstance(outcome, Failed)
    assert outcome.exit_code == EngineError.exit_code == 7
    assert told in outcome.error
    assert not (tmp_path / "run").exists()


def test_entries_are_what_is_compared() -> None:
    """A part without a version, of a package that states none, agrees with itself."""
    entry = Entry("head", "mine", "own", "", "m", "a")
    check_parts({"parts": [["head", "mine", "own", ""]]}, Registry([entry]))
