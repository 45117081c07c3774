"""A trained model as an ONNX file computes what the model does."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.config.composition import compose
from decda.core.config.run_config import PartConfig
from decda.core.contracts import ImageSet
from decda.core.errors import BrokenComponent, ConfigError, OutputError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs import onnx_export
from decda.core.runs.experiment import run as run_experiment
from decda.core.runs.inference import load_run
from decda.core.runs.onnx_export import PACKAGES, export_onnx
from decda.core.runs.run import Run
from decda.plugins.encoders.fc import FcAutoencoder
from decda.plugins.heads.idec import IDEC

DATA = Path(os.environ.get("DECDA_DATA") or Path(__file__).parents[4] / "shared" / "data")
FILES = Files(DATA, offline=True)
BRIEF = ("train.pretrain_epochs=1", "train.max_iter=2", "train.update_interval=1", "train.tol=0")


@pytest.fixture(scope="module")
def usps(registry: Registry) -> Tensor:
    """The first 1,000 images of USPS."""
    images: Tensor = registry.load(registry.find("dataset", "usps")).factory(FILES).x[:1000]
    return images


def train(registry: Registry, x: Tensor, out: Path, **parts: Any) -> Run:
    """A short run on some images."""
    own = Registry(registry)
    value_range = None if x.shape[1:3] == (1, 1) else (0.0, 1.0)
    own.add("dataset", "some", lambda: ImageSet(x, value_range=value_range))
    parts = {"dataset": "some", "augment": "none", **parts}
    config = compose(own, parts=parts, settings=BRIEF, n_clusters=10)
    return run_experiment(config, own, FILES, out=out)


def outputs(path: Path, name: str, x: Tensor) -> list[NDArray[Any]]:
    """What onnxruntime computes by an ONNX file."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: list[NDArray[Any]] = session.run(["embedding", "soft_assignment", "label"], {name: x.numpy()})
    return found


@pytest.mark.parametrize("head", ["dec", "idec", "dcn"])
@pytest.mark.parametrize("encoder", ["fc", "conv"])
def test_graph_and_model_agree(registry: Registry, usps: Tensor, tmp_path: Path, encoder: str, head: str) -> None:
    """On 1,000 USPS images, in batches of 1, 7 and 1,000, embeddings and soft assignments agree within 1e-5."""
    network = {"name": "fc", "hidden": (64,)} if encoder == "fc" else encoder
    run = train(registry, usps, tmp_path / "run", encoder=network, head=head)
    exported = export_onnx(run, tmp_path / "m.onnx")
    z, q = run.embed(usps), run.soft_assign(usps)
    x = usps.float() / 255 if usps.dtype == torch.uint8 else usps
    scale = max(1.0, np.abs(z).max())
    for size in (1, 7, 1000):
        parts = [outputs(tmp_path / "m.onnx", "image", part) for part in x[: 70 if size < 1000 else 1000].split(size)]
        embedding, soft, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        assert np.abs(embedding - z[: len(x[:70]) if size < 1000 else 1000]).max() <= 1e-5 * scale
        assert np.abs(soft - q[: len(soft)]).max() <= 1e-5
        best = np.sort(q[: len(soft)], 1)
        clear = best[:, -1] - best[:, -2] > 1e-5
        assert labels.dtype == np.int64
        assert np.array_equal(labels[clear], q.argmax(1)[: len(soft)][clear])
    told = exported.as_mapping()
    assert told["difference"] <= 1e-5
    assert told["inputs"] == {"image": {"type": "float32", "shape": ["N", 1, 16, 16]}}
    assert told["outputs"]["label"] == {"type": "int64", "shape": ["N"]}


def test_the_file_says_what_it_is(finished_run: Path, registry: Registry, tmp_path: Path) -> None:
    """The file holds shape, classes, versions and parts as metadata, is valid, and names no path of this machine."""
    run = load_run(finished_run, registry)
    export_onnx(run, tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(proto, full_check=True)
    told = {entry.key: entry.value for entry in proto.metadata_props}
    assert told["input_shape"] == "1x8x8"
    assert (told["n_clusters"], told["embedding_dim"], told["recipe"]) == ("10", "10", "quick")
    assert (told["dataset"], told["dataset_size"]) == ("decda:digits", "8")
    assert (told["encoder"], told["head"]) == ("decda:fc", "decda:idec")
    assert proto.producer_name == "decda"
    content = (tmp_path / "m.onnx").read_bytes()
    assert str(Path(onnx_export.__file__).parents[3]).encode() not in content
    export_onnx(run, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == content


def test_tables_are_scaled_inside(registry: Registry, tmp_path: Path) -> None:
    """For a table, the graph takes the raw rows (N, D) in float64 and standardises them as the run did."""
    rows = torch.randn(300, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    center, spread = torch.linspace(-1e6, 1e6, 7, dtype=torch.float64), torch.linspace(0.5, 200, 7)
    run = train(registry, rows.float()[:, None, None], tmp_path / "run", encoder={"name": "fc", "hidden": (16,)})
    parameters = {"scale": "standard", "center": tuple(center.tolist()), "spread": tuple(spread.tolist())}
    standardised = replace(run, config=replace(run.config, dataset=PartConfig("decda:arrays", parameters)))
    raw = rows * spread + center
    told = export_onnx(standardised, tmp_path / "m.onnx").as_mapping()
    assert told["inputs"] == {"row": {"type": "float64", "shape": ["N", 7]}}
    x = ((raw - center) / spread).float()[:, None, None]
    embedding, soft, _ = outputs(tmp_path / "m.onnx", "row", raw)
    assert np.abs(embedding - run.model.embed(x).numpy()).max() <= 1e-5
    assert np.abs(soft - run.model.soft_assign(x).detach().numpy()).max() <= 1e-5
    halved = replace(run.config.dataset, parameters={"scale": "2", "center": [], "spread": []})
    export_onnx(replace(run, config=replace(run.config, dataset=halved)), tmp_path / "half.onnx")
    x = (raw / 1e6).float()
    found = outputs(tmp_path / "half.onnx", "row", x.double())[0]
    assert np.abs(found - run.model.embed(x[:, None, None] / 2).numpy()).max() <= 1e-5
    export_onnx(run, tmp_path / "plain.onnx")
    found = outputs(tmp_path / "plain.onnx", "row", x)[0]
    assert np.abs(found - run.model.embed(x[:, None, None]).numpy()).max() <= 1e-5


def test_a_run_in_bfloat16(finished_run: Path, registry: Registry, tmp_path: Path) -> None:
    """The graph of a run in bfloat16 computes in float32, and says so; the run's own model stays as it is."""
    run = load_run(finished_run, registry)
    run = replace(run, model=replace(run.model, precision="bfloat16"))
    x = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    before = run.model.embed(x)
    told = export_onnx(run, tmp_path / "m.onnx").as_mapping()
    assert told["notes"] == ["The run computed in bfloat16; the graph computes in float32."]
    exact = replace(run.model, precision="float32").embed(x).numpy()
    assert np.abs(outputs(tmp_path / "m.onnx", "image", x)[0] - exact).max() <= 1e-5
    assert torch.equal(run.model.embed(x), before)


def test_what_cannot_be_traced_is_captured(
    finished_run: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the tracing exporter fails, PyTorch's other one is taken."""

    def gone(*arguments: object) -> bytes:
        raise TypeError("export() got an unexpected keyword argument 'dynamo'")

    monkeypatch.setattr(onnx_export, "trace", gone)
    run = load_run(finished_run, registry)
    export_onnx(run, tmp_path / "m.onnx")
    x = torch.rand(1, 1, 8, 8)
    assert np.abs(outputs(tmp_path / "m.onnx", "image", x)[0] - run.model.embed(x).numpy()).max() <= 1e-5


def test_parts_that_cannot_be_exported(
    finished_run: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part with an operation that ONNX lacks, or that computes with values it reads, is an error that names it."""
    encode, soft_assign = FcAutoencoder.encode, IDEC.soft_assign
    monkeypatch.setattr(onnx_export, "capture", onnx_export.trace)  # which takes seconds to fail

    def unknown(self: FcAutoencoder, x: Tensor) -> Tensor:
        z = encode(self, x)
        return z + torch.special.bessel_j0(z)

    def constant(self: IDEC, z: Tensor) -> Tensor:
        return soft_assign(self, z + float(z.mean()))

    for owner, name, method, says in (
        (FcAutoencoder, "encode", unknown, r"The encoder 'fc' \(decda .*\) cannot be exported to ONNX: .*bessel"),
        (IDEC, "soft_assign", constant, r"The head 'idec' .*: for 1 random images, the soft assignment differs by"),
    ):
        run = load_run(finished_run, registry)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, method)
            with pytest.raises(BrokenComponent, match=says):
                export_onnx(run, tmp_path / "m.onnx")
        assert list(tmp_path.iterdir()) == []


def test_missing_packages(
    finished_run: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the packages of the extra, the error names those that are missing and how to install them."""
    for name in PACKAGES:  # all of them: whether one alone still imports depends on what was imported before
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"onnx, onnxscript, onnxruntime must be .*: python -m pip install onnx onnx"):
        export_onnx(load_run(finished_run, registry), tmp_path / "m.onnx")


def test_existing_files_stay(finished_run: Path, registry: Registry, tmp_path: Path) -> None:
    """An existing file is refused, and stays."""
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        export_onnx(load_run(finished_run, registry), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "mine"


def test_nothing_is_printed(
    finished_run: Path, registry: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exporting prints nothing, whatever PyTorch's exporters have to say."""
    run = load_run(finished_run, registry)
    export_onnx(run, tmp_path / "m.onnx")
    assert capfd.readouterr() == ("", "")


def test_a_full_disk(finished_run: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full, the error names the file, and nothing is left."""

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"m\.onnx cannot be written: No space left on device"):
        export_onnx(load_run(finished_run, registry), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
