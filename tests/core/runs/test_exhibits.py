"""What a report shows of the images of a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from decda.core.config.composition import compose
from decda.core.contracts import ImageSet
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.exhibits import Exhibits
from decda.core.runs.images import load_images
from decda.core.runs.inference import load_run
from decda.core.runs.run import Run


@pytest.fixture(scope="module")
def exhibits(finished_run: Path, registry: Registry) -> Exhibits:
    run = load_run(finished_run, registry)
    return Exhibits(run, load_images(compose(registry, config=run.config.as_mapping()), registry, Files(offline=True)))


def with_run(exhibits: Exhibits, **changes: Any) -> Exhibits:
    return replace(exhibits, run=replace(exhibits.run, **changes))


def test_members_are_shown_as_they_are(exhibits: Exhibits) -> None:
    """The pictures of a row are the images that its names say, and belong to the cluster."""
    number = int(np.argmax(exhibits.run.sizes))
    cluster = exhibits.cluster(number)
    typical, uncertain = cluster.rows
    for row in (typical, uncertain):
        index = [int(name.removeprefix("image ")) for name in row.names]
        assert (exhibits.run.labels[index] == number).all()
        assert row.pictures is not None
        assert exhibits.images is not None
        assert np.array_equal(row.pictures, (exhibits.images.x[index, 0] * 255).round().byte().numpy())
    assert cluster.size == exhibits.run.sizes[number]
    assert cluster.center is not None
    assert cluster.center.shape == (1, 8, 8)


def test_an_empty_cluster(exhibits: Exhibits) -> None:
    """A cluster without images has a center, and no members."""
    empty = with_run(exhibits, labels=np.ones_like(exhibits.run.labels)).cluster(0)
    assert (empty.size, empty.confidence, list(empty.rows)) == (0, None, [])
    assert empty.center is not None


def test_classes_of_a_cluster(exhibits: Exhibits) -> None:
    """The most frequent known classes stand with their shares."""
    assert exhibits.classes is not None
    cluster = with_run(exhibits, labels=exhibits.classes // 5).cluster(1)
    assert len(cluster.classes) == 3
    assert all(int(name) >= 5 and 0.15 < share < 0.25 for name, share in cluster.classes)


def test_embeddings_are_those_of_the_run(exhibits: Exhibits) -> None:
    """Labels follow from the embeddings, as the run wrote them."""
    z = exhibits.embeddings()
    assert z is not None
    q = exhibits.run.model.head.soft_assign(torch.from_numpy(z))
    assert np.array_equal(q.argmax(1).numpy(), exhibits.run.labels)


def test_steady(exhibits: Exhibits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies that stay what they are fall into the cluster of their original, and into no other."""
    monkeypatch.setattr(exhibits.run.model.augment, "apply", lambda x, draws: x)
    assert exhibits.steady() == 1.0
    assert with_run(exhibits, labels=(exhibits.run.labels + 1) % 10).steady() == 0.0


def test_explained(exhibits: Exhibits) -> None:
    """An error as large as the variance explains nothing, none at all everything; images all alike tell nothing."""
    assert exhibits.images is not None
    variance = float(exhibits.images.x.var(0, correction=0).mean())
    assert exhibits.explained(0.0) == 1.0
    assert exhibits.explained(variance) == pytest.approx(0, abs=0.05)
    assert replace(exhibits, images=ImageSet(torch.zeros(1797, 1, 8, 8))).explained(0.1) is None
    assert replace(exhibits, images=None).explained(0.1) is None


@pytest.mark.parametrize("how", ["neither", "none", "no images"])
def test_nothing_is_augmented(exhibits: Exhibits, registry: Registry, how: str) -> None:
    """Without augmentation, or without images, nothing is said about augmented copies."""
    run = exhibits.run
    if how == "no images":
        quiet = replace(exhibits, images=None)
        assert quiet.comparisons() == []
    elif how == "none":
        none = registry.load(registry.find("augment", "none")).factory()
        quiet = with_run(exhibits, model=replace(run.model, augment=none))
    else:
        quiet = with_run(exhibits, config=replace(run.config, train=replace(run.config.train, augment_in="neither")))
    assert quiet.steady() is None
    assert len(quiet.comparisons()) == (0 if how == "no images" else 1)


def test_comparisons(exhibits: Exhibits) -> None:
    """Originals stand first, then what was made of them, as many of each."""
    reconstructions, copies = exhibits.comparisons()
    assert [row.title for row in reconstructions.rows] == ["originals", "reconstructions"]
    assert [row.title for row in copies.rows] == ["originals", *(f"augmented copy {n}" for n in (1, 2, 3))]
    assert {len(row.names) for row in (*reconstructions.rows, *copies.rows)} == {10}
    first, second = copies.rows[0].pictures, copies.rows[1].pictures
    assert not np.array_equal(first, second)  # type: ignore[arg-type]


@pytest.mark.parametrize("colour", [False, True])
def test_images_without_a_range_are_not_drawn(exhibits: Exhibits, colour: bool) -> None:
    """Rows of a table are no pictures; one row of pixels is none either."""
    x = torch.rand(1797, 1, 1, 9)
    images = ImageSet(x, value_range=(0.0, 1.0) if colour else None)
    assert replace(exhibits, images=images).show(np.array([0])) is None


def test_hostile_names_are_written_as_escapes(exhibits: Exhibits) -> None:
    """Control characters in the names of files do not reach a page."""
    run: Run = replace(exhibits.run, names=["\x1b[31m\n"] * 1797)
    assert Exhibits(run, exhibits.images).names(np.array([0])) == ["\\x1b[31m\\n"]
