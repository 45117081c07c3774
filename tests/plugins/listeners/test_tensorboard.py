"""What TensorBoard shows of a run, read back by its own reader."""

import csv
import io
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from decda.core.config.composition import compose
from decda.core.contracts import ImageSet
from decda.core.errors import ConfigError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs.experiment import run, run_stepwise
from decda.core.runs.run import Run
from decda.plugins.listeners import tensorboard
from decda.plugins.listeners.tensorboard import TensorBoard
from decda.testing.following import follow
from tests.conftest import SHORT

FILES = Files(offline=True)
SETTINGS = (*SHORT[1:], "train.pretrain_epochs=3", "train.max_iter=7", "train.batch_size=100")
"""Three epochs of three batches, four refreshes."""


@pytest.fixture(scope="module")
def own(registry: Registry) -> Registry:
    """The built-in parts, and a data set of a few digits with names that no table can hold as they are."""
    digits = registry.load(registry.find("dataset", "digits")).factory(size=8)
    own = Registry(registry)
    own.add("dataset", "few", lambda: ImageSet(digits.x[:300], digits.y[:300], [f"a\t{i}\n\udcff" for i in range(300)]))
    return own


@pytest.fixture(scope="module")
def made(own: Registry, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was followed."""
    config = compose(own, parts={"dataset": "few", "encoder": "fc"}, settings=SETTINGS)
    return run(config, own, FILES, out=tmp_path_factory.mktemp("runs") / "run", listen=["tensorboard"])


def read(folder: Path) -> EventAccumulator:
    """What TensorBoard reads of a run."""
    found = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The points of each curve, by its name."""
    found = read(folder)
    return {tag: [(each.step, each.value) for each in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def log(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The points of the curves that `log.csv` holds, by the same names."""
    points: dict[str, list[tuple[int, float]]] = {}
    with (folder / "log.csv").open() as file:
        for row in csv.DictReader(file):
            numbers = {name: row[name] for name in ("loss", "changed", "clusters", "acc", "nmi", "ari") if row[name]}
            terms = dict(term.split("=") for term in row["terms"].split())
            numbers |= {f"loss/{name}": value for name, value in terms.items()}
            for name, value in numbers.items():
                points.setdefault(f"{row['phase']}/{name}", []).append((int(row["step"]), float(value)))
    return points


def test_the_curves_are_those_of_the_log(made: Run) -> None:
    """Loss and its terms by epoch and by refresh, the share of changed labels, clusters in use, and the scores."""
    shown, logged = curves(made.folder), log(made.folder)
    assert shown.keys() == logged.keys()
    assert {"pretrain/loss", "cluster/loss/kl", "cluster/loss/reconstruction", "cluster/acc"} <= shown.keys()
    for name, points in shown.items():
        assert [step for step, _ in points] == [step for step, _ in logged[name]], name
        values, expected = ([value for _, value in curve] for curve in (points, logged[name]))
        assert values == pytest.approx(expected, rel=1e-5, abs=1e-6), name
    assert [step for step, _ in shown["pretrain/loss"]] == [1, 2, 3]
    assert [step for step, _ in shown["cluster/changed"]] == [0, 2, 4, 6]


def projector(folder: Path) -> tuple[list[list[str]], np.ndarray, str]:
    """The table of labels, the embeddings, and the description of the projector."""
    inner = folder / "tensorboard" / "00000" / "embedding"
    rows = [line.split("\t") for line in (inner / "metadata.tsv").read_text().splitlines()]
    z = np.loadtxt(inner / "tensors.tsv", delimiter="\t", ndmin=2)
    return rows, z, (folder / "tensorboard" / "projector_config.pbtxt").read_text()


def test_the_projector_has_the_embedding(own: Registry, made: Run) -> None:
    """Each image has its embedding, and a row with cluster, confidence, class and name, no character of it odd."""
    images = own.load(own.find("dataset", "few")).factory()
    rows, z, description = projector(made.folder)
    assert np.allclose(z, made.model.embed(images.x).numpy(), atol=1e-6)
    assert rows[0] == ["cluster", "confidence", "class", "name"]
    assert rows[1:] == [
        [str(label), f"{share:.3f}", str(y), f"a {i} \\udcff"]
        for i, (label, share, y) in enumerate(zip(made.labels, made.confidence, images.y.tolist(), strict=True))
    ]
    assert 'tensor_path: "00000/embedding/tensors.tsv"' in description


def test_the_projector_has_thumbnails(own: Registry, made: Run) -> None:
    """The images stand row by row in one square picture, in the order of the embeddings."""
    x = own.load(own.find("dataset", "few")).factory().x
    with Image.open(made.folder / "tensorboard" / "00000" / "embedding" / "sprite.png") as sprite:
        pixels = np.asarray(sprite.convert("L")) / 255
    assert pixels.shape == (18 * 8, 18 * 8)  # 18 x 18 places for 300 images
    for i in (0, 17, 18, 299):
        top, left = 8 * (i // 18), 8 * (i % 18)
        assert np.allclose(pixels[top : top + 8, left : left + 8], x[i, 0].numpy(), atol=1 / 255), i
    assert projector(made.folder)[2].count("single_image_dim: 8") == 2


def test_the_centers_are_decoded(made: Run) -> None:
    """One picture shows what the decoder makes of each center, eight to a row."""
    found = read(made.folder)
    assert found.Tags()["images"] == ["centers"]
    (shown,) = found.Images("centers")
    with Image.open(io.BytesIO(shown.encoded_image_string)) as picture:
        pixels = np.asarray(picture.convert("L")) / 255
    centers = made.model.decode(made.model.head.centers).detach().clamp(0, 1)
    assert pixels.shape == (2 * 8, 8 * 8)
    for i in range(10):
        top, left = 8 * (i // 8), 8 * (i % 8)
        assert np.allclose(pixels[top : top + 8, left : left + 8], centers[i, 0].numpy(), atol=1.01 / 255), i


def table() -> ImageSet:
    return ImageSet(torch.rand(26, 1, 1, 6, generator=torch.Generator().manual_seed(0)) * 9 - 4, value_range=None)


def test_rows_of_a_table_are_no_pictures(tmp_path: Path) -> None:
    """Their embedding is shown without thumbnails, no center as an image, and without classes there are no scores."""
    follow(TensorBoard, tmp_path / "run", table)
    assert read(tmp_path / "run").Tags()["images"] == []
    rows, z, description = projector(tmp_path / "run")
    assert rows[0] == ["cluster", "confidence"]
    assert (len(rows), z.shape) == (27, (26, 4))
    assert "sprite" not in description
    shown = curves(tmp_path / "run")
    assert not {"cluster/acc", "cluster/nmi", "cluster/ari"} & shown.keys()
    assert len(shown["cluster/clusters"]) == 3


def test_many_images_are_chosen_evenly(tmp_path: Path) -> None:
    """At most `max_images` are shown, from all over the set."""
    done = follow(lambda folder: TensorBoard(folder, max_images=6), tmp_path / "run")
    rows, z, _ = projector(tmp_path / "run")
    chosen = [0, 4, 8, 13, 17, 21]
    assert [row[3] for row in rows[1:]] == [f"é {i}.png" for i in chosen]
    assert [int(row[0]) for row in rows[1:]] == done.labels[chosen].tolist()
    assert len(z) == 6
    assert TensorBoard(tmp_path).max_images == 5000


@pytest.mark.parametrize(
    ("shape", "side", "inside", "channels"),
    [
        ((1, 8, 8), 8, (slice(0, 8), slice(0, 8)), 1),
        ((3, 20, 10), 20, (slice(0, 20), slice(5, 15)), 3),
        ((1, 10, 21), 21, (slice(5, 15), slice(0, 21)), 1),
        ((3, 64, 128), 32, (slice(8, 24), slice(0, 32)), 3),
        ((4, 6, 6), 6, (slice(0, 6), slice(0, 6)), 3),
        ((2, 6, 6), 6, (slice(0, 6), slice(0, 6)), 1),
        ((1, 1, 1000), 32, (slice(15, 16), slice(0, 32)), 1),
    ],
)
def test_thumbnails_are_small_squares(
    shape: tuple[int, ...], side: int, inside: tuple[slice, slice], channels: int
) -> None:
    """Their longest side is at most 32 pixels; the image stands in the middle, whole, and black is around it."""
    small = tensorboard._thumbnails(torch.full((5, *shape), 0.75))
    assert small.shape == (5, channels, side, side)
    assert torch.allclose(small[(..., *inside)], torch.tensor(0.75))
    filled = (inside[0].stop - inside[0].start) * (inside[1].stop - inside[1].start)
    assert int((small > 0).sum()) == 5 * channels * filled


def test_the_picture_of_all_thumbnails_has_a_limit() -> None:
    """More images get smaller thumbnails, so that the projector can show them."""
    small = tensorboard._thumbnails(torch.zeros(90_000, 1, 32, 32))
    assert small.shape[-1] == 27  # 300 x 27 pixels are at most 8192


Point = tuple[int, float]


def unique(points: list[Point]) -> list[Point]:
    return sorted(set(points))


def cut(config: Any, own: Registry, out: Path, steps: int, *, killed: bool) -> Path:
    """The folder of a run that was interrupted, or killed, after some steps, as its listener left it."""
    interrupts = Interrupts()
    work = run_stepwise(
        config, own, FILES, out=out, listen=["tensorboard"], interrupts=interrupts, checkpoint_every=3600
    )
    for _ in range(steps):
        next(work)
    if not killed:
        interrupts.pending = "SIGTERM"
        with pytest.raises(Interrupted):
            next(work)
        return out
    copy = out.with_name("killed")
    shutil.copytree(out, copy)
    work.close()
    shutil.copytree(out / "tensorboard", copy / "tensorboard", dirs_exist_ok=True)  # what was written by then
    (copy / ".lock").unlink()
    return copy


@pytest.mark.parametrize("steps", [1, 5, 13])
def test_an_interrupted_run_goes_on_with_its_curves(own: Registry, made: Run, tmp_path: Path, steps: int) -> None:
    """A run that was saved when it was interrupted, and resumed, shows the very points of one without interruption."""
    out = cut(made.config, own, tmp_path / "run", steps, killed=False)
    run(made.config, own, FILES, out=out, resume=True, listen=["tensorboard"])
    # After one step there was nothing to be shown yet.
    assert len(list((out / "tensorboard").glob("events.out.*"))) == (1 if steps == 1 else 2)
    assert curves(out) == curves(made.folder)


def test_a_run_that_begins_again_forgets_its_first_curves(own: Registry, made: Run, tmp_path: Path) -> None:
    """What was shown of a run without any checkpoint is hidden when it begins again."""
    out = tmp_path / "run"
    work = run_stepwise(made.config, own, FILES, out=out, listen=["tensorboard"], checkpoint_every=0)
    for _ in range(13):
        next(work)
    work.close()
    assert len(curves(out)["cluster/changed"]) >= 1
    run(made.config, own, FILES, out=out, resume=True, listen=["tensorboard"])
    assert curves(out) == curves(made.folder)


def test_a_run_killed_in_clustering_repeats_points_in_place(own: Registry, made: Run, tmp_path: Path) -> None:
    """What was done since the last checkpoint is shown twice, with the same numbers; no point is missing."""
    out = cut(made.config, own, tmp_path / "run", 14, killed=True)
    before = curves(out)
    run(made.config, own, FILES, out=out, resume=True, listen=["tensorboard"])
    shown, whole = curves(out), curves(made.folder)
    assert {name: unique(points) for name, points in shown.items()} == whole
    assert len(shown["cluster/changed"]) == len(whole["cluster/changed"]) + len(before["cluster/changed"])
    assert shown["pretrain/loss"] == whole["pretrain/loss"]


@pytest.fixture
def uninstalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard cannot be imported."""
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("uninstalled")
def test_without_the_package_a_run_is_refused(own: Registry, made: Run, tmp_path: Path) -> None:
    """The error says what to install, before there is a folder."""
    with pytest.raises(ConfigError, match="python -m pip install tensorboard") as caught:
        run(made.config, own, FILES, out=tmp_path / "run", listen=["tensorboard"])
    assert caught.value.parameter == "listen"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [0, -1])
def test_values_out_of_range_are_refused(tmp_path: Path, number: int) -> None:
    """It must show at least one image."""
    with pytest.raises(ValueError, match="max_images must be at least 1"):
        TensorBoard(tmp_path, max_images=number)
